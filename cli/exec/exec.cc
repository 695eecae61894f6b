#include "cli/exec/exec.h"

#include <optional>
#include <utility>

#include "cli/commands/lifecycle.h"
#include "cli/commands/waiting.h"

namespace remora::cli {
namespace {

// As the shell reports it.
constexpr int kBySignal = 128;

bool AsksForTheEnd(int signal) {
  return signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGQUIT;
}

// The signal that ended the wait; nullopt: it is ready.
Reply<std::optional<int>> AwaitReady(std::chrono::milliseconds limit, const Context& context,
                                     Processes& processes) {
  Waiting waiting(limit, context.clock);
  while (true) {
    auto why = WhyNotReady(context.client);
    if (!why) return std::unexpected(std::move(why.error()));
    if (why->empty()) return std::nullopt;
    if (waiting.over()) return std::unexpected(NotReadyAfter(limit, *why));
    const auto event = processes.Next(waiting.NextPause());
    const auto* const signal = event ? std::get_if<Signalled>(&*event) : nullptr;
    if (signal != nullptr && AsksForTheEnd(signal->number)) return signal->number;
  }
}

// Until the command has ended; its code.
int Accompany(Processes& processes) {
  while (true) {
    const auto event = processes.Next(std::nullopt);
    if (!event) continue;
    if (const auto* const ended = std::get_if<Ended>(&*event)) return ended->code;
    const auto& signal = std::get<Signalled>(*event);
    if (!signal.from_terminal) processes.Forward(signal.number);
  }
}

// The command has ended, so nobody needs the sidecar. What fails here does not change its code.
void EndSidecar(const Context& context) {
  v1::ShutdownRequest request;
  request.set_scope(v1::ShutdownRequest::ALL);
  const auto shutdown = context.client.Shutdown(request);
  if (!shutdown) context.Note("The sidecar was not told to end: " + shutdown.error().message + ".");
}

}  // namespace

Reply<int> Exec(const ExecOptions& options, const Context& context, Processes& processes) {
  const auto signal = AwaitReady(options.limit, context, processes);
  if (!signal) return std::unexpected(signal.error());
  if (*signal) return kBySignal + **signal;
  const Outcome started = processes.Start(options.command);
  const Reply<int> code =
      started ? Reply<int>(Accompany(processes)) : std::unexpected(started.error());
  using enum ExecOptions::Shutdown;
  const bool success = code && *code == 0;
  if (options.shutdown == kAlways || (options.shutdown == kOnSuccess && success)) {
    EndSidecar(context);
  }
  return code;
}

}  // namespace remora::cli
