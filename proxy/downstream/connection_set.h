// The client connections of one worker: which are open, which of them are idle, which are parked
// (idle for so long that only the socket is left of them).
//
// Threads: the worker's. Lifetime: outlives its members; `hits` outlives it.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "proxy/base/clock.h"
#include "proxy/net/loop.h"
#include "proxy/net/stream.h"
#include "proxy/observe/limit_hits.h"

namespace remora::proxy {

// A connection between two sessions.
struct IdleConnection {
  std::unique_ptr<net::Stream> stream;
  std::uint64_t requests = 0;  // that it has had so far
  std::string client_ip = {};  // if it is known
};

class ConnectionSet {
 public:
  ConnectionSet(net::Loop& loop, LimitHits& hits) : loop_(loop), hits_(hits) {}
  ~ConnectionSet();
  ConnectionSet(const ConnectionSet&) = delete;
  ConnectionSet& operator=(const ConnectionSet&) = delete;

  using Hook =
      boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
  // A connection that a session serves; leaves the set when it is destroyed.
  struct Member : Hook {
    net::Stream* stream = nullptr;
    bool idle = false;  // between requests
  };
  void Add(Member& member) { active_.push_back(member); }

  // Who gets a parked connection back once it has something to say, and who learns that one has
  // ended. Before the first is parked.
  void SetParkedHandlers(std::function<void(IdleConnection)> resume, std::function<void()> gone);
  // Holds an idle connection, for at most `timeout`.
  void Park(IdleConnection connection, Duration timeout);

  // Answers carry `Connection: close` from now on.
  void BeginDrain() { draining_ = true; }
  bool draining() const { return draining_; }
  const bool* draining_flag() const { return &draining_; }
  // From now on a connection ends as soon as it is idle.
  void CloseIdle();
  bool closing() const { return closing_; }
  // Ends all, whatever they do.
  void CutAll();

 private:
  struct Parked;
  void Unpark(Parked& parked);
  using MemberList = boost::intrusive::list<Member, boost::intrusive::constant_time_size<false>>;

  net::Loop& loop_;
  LimitHits& hits_;
  MemberList active_;
  // Owned.
  boost::intrusive::list<Hook, boost::intrusive::constant_time_size<false>> parked_;
  std::function<void(IdleConnection)> resume_;
  std::function<void()> gone_;
  bool draining_ = false;
  bool closing_ = false;
};

}  // namespace remora::proxy
