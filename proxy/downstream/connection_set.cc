#include "proxy/downstream/connection_set.h"

#include <utility>

#include "proxy/net/slab_pool.h"

namespace remora::proxy {

// Runs when there is something to read or the stream has been closed.
struct ConnectionSet::Parked final : Hook, net::Runnable, net::SlabObject {
  Parked(ConnectionSet& its_set, IdleConnection parked)
      : Runnable([](Runnable& self) {
          auto& one = static_cast<Parked&>(self);
          one.set.Unpark(one);
        }),
        set(its_set),
        connection(std::move(parked)),
        deadline([](void* self) { static_cast<Parked*>(self)->OnDeadline(); }, this) {}

  void OnDeadline() {
    if (connection.stream->readable()) return;  // in this very turn: it is resumed
    set.hits_.Add(Limit::kKeepAliveTime);
    connection.stream->Close();
  }

  ConnectionSet& set;
  IdleConnection connection;
  net::TimerWheel::Entry deadline;
};

ConnectionSet::~ConnectionSet() {
  while (!parked_.empty()) delete static_cast<Parked*>(&parked_.front());
}

void ConnectionSet::SetParkedHandlers(std::function<void(IdleConnection)> resume,
                                      std::function<void()> gone) {
  resume_ = std::move(resume);
  gone_ = std::move(gone);
}

void ConnectionSet::Park(IdleConnection connection, Duration timeout) {
  auto& parked = *new (loop_.slabs()) Parked(*this, std::move(connection));
  parked_.push_back(parked);
  loop_.Arm(parked.deadline, timeout);
  parked.connection.stream->OnReadable(parked);
}

void ConnectionSet::Unpark(Parked& parked) {
  IdleConnection connection = std::move(parked.connection);
  delete &parked;
  if (connection.stream->is_open()) return resume_(std::move(connection));
  connection.stream.reset();
  gone_();
}

void ConnectionSet::CloseIdle() {
  draining_ = true;
  closing_ = true;
  for (Member& member : active_) {
    if (member.idle) member.stream->InterruptRead();
  }
  for (Hook& hook : parked_) {
    net::Stream& stream = *static_cast<Parked&>(hook).connection.stream;
    // One whose next request has just come is served; its handler is about to run.
    if (!stream.HasNews()) stream.Close();
  }
}

void ConnectionSet::CutAll() {
  CloseIdle();
  for (Member& member : active_) member.stream->Close();
  for (Hook& hook : parked_) static_cast<Parked&>(hook).connection.stream->Close();
}

}  // namespace remora::proxy
