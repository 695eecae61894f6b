#include "proxy/downstream/connection_set.h"

#include <utility>

namespace remora::proxy {

struct ConnectionSet::Parked : Hook {
  Parked(std::unique_ptr<net::Stream> parked, LimitHits& limit_hits, Resume on_news,
         std::function<void()> on_gone)
      : stream(std::move(parked)),
        hits(limit_hits),
        resume(std::move(on_news)),
        gone(std::move(on_gone)),
        deadline([](void* self) { static_cast<Parked*>(self)->OnDeadline(); }, this) {}

  void OnDeadline() {
    hits.Add(Limit::kKeepAliveTime);
    stream->Close();
  }

  std::unique_ptr<net::Stream> stream;
  LimitHits& hits;
  Resume resume;
  std::function<void()> gone;
  net::TimerWheel::Entry deadline;
};

void ConnectionSet::Park(std::unique_ptr<net::Stream> stream, Duration timeout, Resume resume,
                         std::function<void()> gone) {
  auto parked =
      std::make_unique<Parked>(std::move(stream), hits_, std::move(resume), std::move(gone));
  Parked& entry = *parked;
  parked_.push_back(entry);
  loop_.Arm(entry.deadline, timeout);
  entry.stream->WaitReadable([owned = std::move(parked)](net::error_code error) mutable {
    // Moved out: what runs below may park the same connection again.
    const std::unique_ptr<Parked> done = std::move(owned);
    done->unlink();
    done->deadline.Disarm();
    if (error || !done->stream->is_open()) {
      done->stream.reset();
      done->gone();
    } else {
      done->resume(std::move(done->stream));
    }
  });
}

void ConnectionSet::CloseIdle() {
  draining_ = true;
  closing_ = true;
  for (Member& member : active_) {
    if (member.idle) member.stream->InterruptRead();
  }
  for (Hook& hook : parked_) {
    net::Stream& stream = *static_cast<Parked&>(hook).stream;
    // One whose next request has just come is served; its handler is about to run.
    if (!stream.HasNews()) stream.Close();
  }
}

void ConnectionSet::CutAll() {
  CloseIdle();
  for (Member& member : active_) member.stream->Close();
  for (Hook& hook : parked_) static_cast<Parked&>(hook).stream->Close();
}

}  // namespace remora::proxy
