#include "cli/commands/watch.h"

#include <optional>
#include <set>
#include <utility>

#include "cli/commands/lookup.h"
#include "cli/commands/print.h"
#include "cli/output/json.h"
#include "cli/output/table.h"

namespace remora::cli {
namespace {

constexpr std::chrono::milliseconds kInterval{500};

std::string_view KindName(Change::Kind kind) {
  switch (kind) {
    case Change::Kind::kAdded:
      return "ADDED";
    case Change::Kind::kModified:
      return "MODIFIED";
    case Change::Kind::kRemoved:
      return "REMOVED";
  }
  return "";
}

// Columns of one width all the time can't be known beforehand, so each table has its own.
void PrintChanges(const std::vector<Change>& changes, bool first, const Context& context) {
  const OutputFormat format = context.options.output;
  if (format == OutputFormat::kJsonl) {
    for (const Change& change : changes) {
      std::string server = ToJsonLine(change.server);
      server.pop_back();  // its newline
      context.out << R"({"type":")" << KindName(change.kind) << R"(","server":)" << server << "}\n";
    }
  } else if (format == OutputFormat::kName) {
    for (const Change& change : changes) {
      context.out << KindName(change.kind) << ' ' << Printable(NameOf(change.server)) << '\n';
    }
  } else {
    std::vector<v1::Server> rows;
    for (const Change& change : changes) {
      rows.push_back(change.server);
      if (change.kind == Change::Kind::kRemoved) {
        rows.back().mutable_status()->set_reason("gone");
      }
    }
    View view = ViewOf(context);
    view.with_heads = view.with_heads && first;
    context.out << ServersTable(rows, view);
  }
  context.out.flush();
}

}  // namespace

std::vector<Change> TakeChanges(KnownServers& known, const v1::ListServersResponse& now) {
  std::vector<Change> changes;
  std::set<std::string> present;
  for (const v1::Server& server : now.servers()) present.insert(server.uid());
  std::erase_if(known, [&](auto& entry) {
    if (present.contains(entry.first)) return false;
    changes.push_back({.kind = Change::Kind::kRemoved, .server = std::move(entry.second)});
    return true;
  });
  for (const v1::Server& server : now.servers()) {
    const auto [entry, added] = known.try_emplace(server.uid(), server);
    if (added) {
      changes.push_back({.kind = Change::Kind::kAdded, .server = server});
    } else if (entry->second.revision() != server.revision()) {
      entry->second = server;
      changes.push_back({.kind = Change::Kind::kModified, .server = server});
    }
  }
  return changes;
}

Outcome WatchServers(const std::string& pool, const Context& context) {
  KnownServers known;
  std::optional<std::uint64_t> revision;
  while (context.out) {
    auto health = context.client.Health({});
    if (!health) return std::unexpected(std::move(health.error()));
    if (revision != health->revision()) {
      auto all = ListAllServers(context.client, pool);
      if (!all) return std::unexpected(std::move(all.error()));
      const std::vector<Change> changes = TakeChanges(known, *all);
      if (!changes.empty()) PrintChanges(changes, !revision, context);
      // Of before the list was read: what changed meanwhile is found the next time.
      revision = health->revision();
    }
    context.clock.Pause(kInterval);
  }
  return {};
}

}  // namespace remora::cli
