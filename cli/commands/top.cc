#include <algorithm>
#include <utility>

#include "cli/commands/commands.h"
#include "cli/commands/lookup.h"
#include "cli/top/terminal.h"
#include "cli/top/top_model.h"

namespace remora::cli {

Outcome Top(const TopOptions& options, const Context& context) {
  if (!context.options.terminal) {
    return std::unexpected(Failure{.exit = ExitCode::kUsage,
                                   .message = "top draws on a terminal, and the output is none",
                                   .hint = "use `remoractl servers list --watch -o jsonl`"});
  }
  // Before the screen is taken: an error then stays readable.
  auto servers = ListAllServers(context.client, options.pool);
  if (!servers) return std::unexpected(std::move(servers.error()));
  auto terminal = Terminal::Open(context.out);
  if (!terminal) return std::unexpected(std::move(terminal.error()));
  TopModel model;
  auto next = context.clock.Steady();
  std::string note;
  while (true) {
    const auto now = context.clock.Steady();
    if (now >= next) {
      // A sidecar that restarts comes back: what was seen last stays on the screen until then.
      note = servers ? "" : "error: " + servers.error().message;
      if (servers) model.Sample(*servers, now);
      next = now + options.interval;
    }
    (*terminal)->Draw(
        model.Frame(context.options.server, note, (*terminal)->size(), context.options.colour));
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - context.clock.Steady());
    if (!(*terminal)->WaitOrLeave(std::max(left, std::chrono::milliseconds(0)))) return {};
    if (context.clock.Steady() >= next) servers = ListAllServers(context.client, options.pool);
  }
}

}  // namespace remora::cli
