// The client connections of one worker: which are open, which of them are idle, which are parked
// (idle for so long that only the socket is left of them).
//
// Threads: the worker's. Lifetime: outlives its members; `hits` outlives it.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <functional>
#include <memory>

#include "proxy/base/clock.h"
#include "proxy/net/loop.h"
#include "proxy/net/stream.h"
#include "proxy/observe/limit_hits.h"

namespace remora::proxy {

class ConnectionSet {
 public:
  ConnectionSet(net::Loop& loop, LimitHits& hits) : loop_(loop), hits_(hits) {}

  using Hook =
      boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
  // A connection that a session serves; leaves the set when it is destroyed.
  struct Member : Hook {
    net::Stream* stream = nullptr;
    bool idle = false;  // between requests
  };
  void Add(Member& member) { active_.push_back(member); }

  // Holds an idle connection until it has something to say (`resume` gets it back) or `timeout`
  // has passed or it is closed (`gone` is called).
  using Resume = std::function<void(std::unique_ptr<net::Stream>)>;
  void Park(std::unique_ptr<net::Stream> stream, Duration timeout, Resume resume,
            std::function<void()> gone);

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
  using MemberList = boost::intrusive::list<Member, boost::intrusive::constant_time_size<false>>;

  net::Loop& loop_;
  LimitHits& hits_;
  MemberList active_;
  // Owned by the handlers that wait for them.
  boost::intrusive::list<Hook, boost::intrusive::constant_time_size<false>> parked_;
  bool draining_ = false;
  bool closing_ = false;
};

}  // namespace remora::proxy
