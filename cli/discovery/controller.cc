#include "cli/discovery/controller.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "cli/commands/lookup.h"
#include "cli/duration.h"
#include "cli/proto_time.h"

namespace remora::cli::discovery {
namespace {

namespace asio = boost::asio;

using Clock = std::chrono::steady_clock;

// More would make the line useless.
constexpr int kMostNamed = 20;

void CountChanges(const v1::ReplaceServersResponse& answer, Numbers& counts) {
  for (const v1::ServerChange& change : answer.changes()) {
    switch (change.kind()) {
      case v1::ServerChange::ADD:
        ++counts.added;
        break;
      case v1::ServerChange::REMOVE:
        ++counts.removed;
        break;
      default:
        ++counts.changed;
    }
  }
}

std::string_view Verb(v1::ServerChange::Kind kind) {
  switch (kind) {
    case v1::ServerChange::ADD:
      return "added ";
    case v1::ServerChange::REMOVE:
      return "removed ";
    case v1::ServerChange::REPLACE:
      return "replaced ";
    default:
      return "changed ";
  }
}

// "added default/a, removed default/b and 7 more"
std::string ChangesText(const v1::ReplaceServersResponse& answer) {
  std::string text;
  int named = 0;
  for (const v1::ServerChange& change : answer.changes()) {
    if (named++ == kMostNamed) break;
    text += (text.empty() ? "" : ", ") + std::string(Verb(change.kind())) + change.pool() + "/" +
            change.id();
  }
  const std::int64_t all = std::int64_t{answer.changes_size()} + answer.changes_omitted();
  if (all > kMostNamed) text += " and " + std::to_string(all - kMostNamed) + " more";
  return text;
}

std::string NamesText(const std::set<ServerKey>& keys) {
  std::string text;
  int named = 0;
  for (const ServerKey& key : keys) {
    if (named++ == kMostNamed) return text + " ...";
    text += (text.empty() ? "" : ", ") + ToString(key);
  }
  return text;
}

}  // namespace

Controller::Controller(asio::io_context& io, ControlClient& client, Log& log, Options options)
    : io_(io),
      client_(client),
      log_(log),
      options_(std::move(options)),
      timer_(io),
      work_(io.get_executor()),
      calls_(1) {}

void Controller::Add(std::string name, const MakeSource& make) {
  const std::size_t index = sources_.size();
  sources_.push_back({.numbers = {.name = std::move(name)}, .source = nullptr});
  sources_.back().source =
      make({.found = [this, index](ServerSet servers) { SourceFound(index, std::move(servers)); },
            .away = [this, index](const std::string& cause) { SourceAway(index, cause); }});
}

Outcome Controller::Run() {
  Reconciler::Options rules = options_.rules;
  rules.owner = "discovery:" + options_.name;
  rules.sources = sources_.size();
  rules.only_whole = options_.dry_run;
  reconciler_.emplace(std::move(rules));
  asio::post(io_, [this] {
    for (Entry& entry : sources_) {
      if (!stopped_) entry.source->Start();
    }
    if (!stopped_) Advance();
  });
  io_.run();
  calls_.join();  // at most the time that a call may take
  return std::move(outcome_);
}

void Controller::Stop() {
  if (std::exchange(stopped_, true)) return;
  for (Entry& entry : sources_) entry.source->Stop();
  timer_.cancel();
  work_.reset();
}

void Controller::End(Outcome outcome) {
  if (stopped_) return;
  outcome_ = std::move(outcome);
  Stop();
  if (on_end_) on_end_();
}

// ---- what comes in ----

void Controller::SourceFound(std::size_t index, ServerSet servers) {
  if (stopped_) return;
  SourceNumbers& source = sources_[index].numbers;
  source.endpoints = servers.size();
  source.known = true;
  if (!std::exchange(source.up, true)) {
    source.cause.clear();
    log_.Info("source up", {{"source", source.name}, {"servers", std::to_string(servers.size())}});
  }
  reconciler_->SourceFound(index, std::move(servers), Clock::now());
  Advance();
}

void Controller::SourceAway(std::size_t index, const std::string& cause) {
  if (stopped_) return;
  SourceNumbers& source = sources_[index].numbers;
  ++source.failures;
  source.up = false;
  if (std::exchange(source.cause, cause) != cause) {
    log_.Warn(
        "source away",
        {{"source", source.name}, {"cause", cause}, {"kept", std::to_string(source.endpoints)}});
  }
  if (options_.once) {
    End(std::unexpected(Failure{.exit = ExitCode::kUnavailable,
                                .message = "source " + source.name + ": " + cause}));
  }
}

// ---- what goes out ----

void Controller::Advance() {
  const Status before = reconciler_->status();
  Step step = reconciler_->Next(Clock::now());
  TellChanges(before);
  if (step.kind == Step::Kind::kWait) {
    Wait(step.until);
    return EndIfDone();
  }
  timer_.cancel();
  switch (step.kind) {
    case Step::Kind::kHealth:
      return Call([this] { return client_.Health({}); },
                  [this](const v1::HealthResponse& answer) {
                    reconciler_->HealthAnswered(answer, Clock::now());
                  });
    case Step::Kind::kList:
      return Call([this] { return ListAllServers(client_, ""); },
                  [this](const v1::ListServersResponse& answer) {
                    if (!std::exchange(counts_.sidecar_cause, {}).empty())
                      log_.Info("sidecar answers again");
                    reconciler_->ListAnswered(answer, Clock::now());
                  });
    case Step::Kind::kReplace:
      return Replace(std::move(step.servers));
    case Step::Kind::kWait:
      break;
  }
}

void Controller::Wait(Reconciler::Time until) {
  timer_.expires_at(until);  // whoever waits for the time before is cancelled by it
  if (until == Reconciler::Time::max()) return;
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error && !stopped_) Advance();
  });
}

void Controller::Replace(ServerSet servers) {
  v1::ReplaceServersRequest request;
  request.set_owner("discovery:" + options_.name);
  request.set_validate_only(options_.dry_run);
  if (options_.drain_timeout) *request.mutable_drain_timeout() = ToProto(*options_.drain_timeout);
  for (const auto& [key, endpoint] : servers) *request.add_servers() = ToDesired(key, endpoint);
  Call([this, request = std::move(request)] { return client_.ReplaceServers(request); },
       [this](const v1::ReplaceServersResponse& answer) { Replaced(answer); });
}

template <class Ask, class Take>
void Controller::Call(Ask ask, Take take) {
  asio::post(calls_, [this, ask = std::move(ask), take = std::move(take)]() mutable {
    asio::post(io_, [this, reply = ask(), take = std::move(take)] {
      if (stopped_) return;
      if (reply) {
        take(*reply);
      } else {
        CallFailed(reply.error());
      }
      if (!stopped_) Advance();
    });
  });
}

void Controller::Replaced(const v1::ReplaceServersResponse& answer) {
  if (options_.dry_run) {
    preview_ = answer;
    return End({});
  }
  ++counts_.syncs;
  CountChanges(answer, counts_);
  reconciler_->ReplaceAnswered(Clock::now());
  if (answer.changes_size() == 0) return;
  log_.Info("synced", {{"changes", ChangesText(answer)},
                       {"unchanged", std::to_string(answer.unchanged())},
                       {"revision", std::to_string(answer.revision())}});
}

void Controller::CallFailed(const Failure& failure) {
  ++counts_.failed_calls;
  const std::string cause = OneLine(failure);
  reconciler_->CallFailed(Clock::now());
  if (std::exchange(counts_.sidecar_cause, cause) != cause) {
    log_.Warn("call failed", {{"cause", cause}, {"hint", failure.hint}});
  }
  if (options_.once) End(std::unexpected(failure));
}

void Controller::TellChanges(const Status& before) {
  const Status& now = reconciler_->status();
  if (now.held > before.held) {
    log_.Error("mass removal held", {{"gone", std::to_string(now.held)},
                                     {"of", std::to_string(now.present)},
                                     {"hold", FormatDuration(options_.rules.hold)},
                                     {"hint", "it is carried out if they are still missing then"}});
  } else if (now.held == 0 && before.held != 0) {
    log_.Warn("no removal is held any more", {{"were", std::to_string(before.held)}});
  }
  if (now.conflicts != before.conflicts && !now.conflicts.empty()) {
    log_.Warn("ids that another owner has",
              {{"servers", NamesText(now.conflicts)},
               {"hint", "its servers stay; remove them there if these are to come"}});
  }
  if (now.in_sync) {
    counts_.last_sync_s =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  }
  if (now.probed_once && !before.probed_once) {
    log_.Info("ready", {{"servers", std::to_string(now.present)},
                        {"unprobed", std::to_string(now.unprobed)}});
  }
}

void Controller::EndIfDone() {
  const Status& status = reconciler_->status();
  if (!(options_.once || options_.dry_run) || !status.in_sync || !status.sources_known) return;
  preview_.set_unchanged(static_cast<std::uint32_t>(status.present));
  if (status.held == 0) return End({});
  End(std::unexpected(Failure{.exit = ExitCode::kPrecondition,
                              .message = std::to_string(status.held) + " of " +
                                         std::to_string(status.present) +
                                         " servers would be removed at once, so they were kept",
                              .hint = "if they are to go, run it again with --hold 0"}));
}

Numbers Controller::numbers() const {
  Numbers numbers = counts_;
  numbers.name = options_.name;
  if (reconciler_) numbers.status = reconciler_->status();
  for (const Entry& entry : sources_) {
    numbers.sources.push_back(entry.numbers);
    numbers.sources.back().relists = entry.source->relists();
  }
  return numbers;
}

}  // namespace remora::cli::discovery
