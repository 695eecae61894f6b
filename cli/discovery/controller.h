// Runs discovery: feeds the reconciler with what sources and sidecar say, makes the calls that it
// asks for, logs what matters.
//
// Threads: the loop's, which is the one that calls Run; the calls to the sidecar are made on a
// thread of their own, one at a time, and their answers come back to the loop. Lifetime: `client`
// and `log` outlive it.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/control_client.h"
#include "cli/discovery/log.h"
#include "cli/discovery/numbers.h"
#include "cli/discovery/reconciler.h"
#include "cli/discovery/source.h"
#include "cli/failure.h"

namespace remora::cli::discovery {

class Controller {
 public:
  struct Options {
    std::string name;
    std::optional<std::chrono::milliseconds> drain_timeout;  // unset: the sidecar's default
    bool once = false;          // Run ends with the first sync, or the first thing that goes wrong
    bool dry_run = false;       // the same, and only asks what a sync would change
    Reconciler::Options rules;  // owner and number of sources are filled in
  };
  // Makes a source that reports to the controller.
  using MakeSource = std::function<std::unique_ptr<Source>(SourceReport)>;

  Controller(boost::asio::io_context& io, ControlClient& client, Log& log, Options options);

  // Before Run. `name` is for log and metrics.
  void Add(std::string name, const MakeSource& make);

  // Until Stop, or with `once` until there is an outcome.
  Outcome Run();
  // On the loop. The servers stay as they are.
  void Stop();
  // Called on the loop when Run is about to end by itself: others on the loop are to end too.
  void OnEnd(std::function<void()> on_end) { on_end_ = std::move(on_end); }

  Numbers numbers() const;
  // What a dry run was answered.
  const v1::ReplaceServersResponse& preview() const { return preview_; }

 private:
  using Step = Reconciler::Step;
  using Status = Reconciler::Status;

  struct Entry {
    SourceNumbers numbers;
    std::unique_ptr<Source> source;
  };

  void SourceFound(std::size_t index, ServerSet servers);
  void SourceAway(std::size_t index, const std::string& cause);

  // Does what is next, until there is something to wait for.
  void Advance();
  void Wait(Reconciler::Time until);
  void Replace(ServerSet servers);
  // `ask` runs on the thread of calls, `take` with its answer on the loop.
  template <class Ask, class Take>
  void Call(Ask ask, Take take);
  void CallFailed(const Failure& failure);
  void Replaced(const v1::ReplaceServersResponse& answer);

  void TellChanges(const Status& before);
  void EndIfDone();
  void End(Outcome outcome);

  boost::asio::io_context& io_;
  ControlClient& client_;
  Log& log_;
  const Options options_;
  std::vector<Entry> sources_;
  std::optional<Reconciler> reconciler_;  // made once the number of sources is known
  boost::asio::steady_timer timer_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::thread_pool calls_;
  Numbers counts_;  // those that are counted here; the rest is filled in by numbers()
  v1::ReplaceServersResponse preview_;
  Outcome outcome_;
  std::function<void()> on_end_;
  bool stopped_ = false;
};

}  // namespace remora::cli::discovery
