#include "cli/top/top_model.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <sstream>
#include <utility>

#include "cli/output/table.h"
#include "cli/output/views.h"

namespace remora::cli {
namespace {

std::string RateText(std::optional<double> rate) {
  if (!rate) return {};
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), *rate < 10 ? "%.1f" : "%.0f", *rate);
  return text.data();
}

std::string Head(const std::string& address, const std::vector<v1::Server>& servers) {
  std::size_t active = 0;
  std::uint64_t requests = 0;
  for (const v1::Server& server : servers) {
    if (server.status().state() == v1::ServerStatus::ACTIVE) ++active;
    requests += server.status().active_requests();
  }
  return "remora " + Printable(address) + ": " + std::to_string(servers.size()) + " servers, " +
         std::to_string(active) + " ACTIVE, " + std::to_string(requests) +
         " running requests; q leaves";
}

}  // namespace

void TopModel::Sample(const v1::ListServersResponse& servers,
                      std::chrono::steady_clock::time_point now) {
  std::map<std::string, Rate> rates;
  for (const v1::Server& server : servers.servers()) {
    Rate rate{.requests = server.status().requests_total(), .per_second = std::nullopt};
    const auto before = rates_.find(server.uid());
    if (before != rates_.end() && last_ && now > *last_ && rate.requests != 0 &&
        rate.requests >= before->second.requests) {
      const std::chrono::duration<double> seconds = now - *last_;
      rate.per_second =
          static_cast<double>(rate.requests - before->second.requests) / seconds.count();
    }
    rates.emplace(server.uid(), rate);
  }
  servers_.assign(servers.servers().begin(), servers.servers().end());
  rates_ = std::move(rates);
  last_ = now;
}

std::optional<double> TopModel::RequestsPerSecond(const std::string& uid) const {
  const auto found = rates_.find(uid);
  return found == rates_.end() ? std::nullopt : found->second.per_second;
}

std::string TopModel::Frame(const std::string& address, const std::string& note, TopSize size,
                            bool with_colour) const {
  constexpr std::size_t kAround = 4;  // head, note, heads of the table, what is not shown
  constexpr std::size_t kState = 3;
  const std::size_t room = size.rows > kAround ? size.rows - kAround : 1;
  Table table({"NAME", "POOL", "URL", "STATE", "ACTIVE", "RPS", "P50", "P99", "FAILURES"});
  for (const v1::Server& server : servers_) {
    const v1::ServerStatus& status = server.status();
    table.AddRow({server.id(), server.pool(), server.spec().url(),
                  v1::ServerStatus::State_Name(status.state()),
                  std::to_string(status.active_requests()),
                  RateText(RequestsPerSecond(server.uid())),
                  Latency(status.has_latency_p50(), status.latency_p50()),
                  Latency(status.has_latency_p99(), status.latency_p99()),
                  std::to_string(status.failures_total())});
    table.SetColour(kState, ColourOf(status.state()));
  }
  std::string frame = CutToWidth(Head(address, servers_), size.columns) + "\n" +
                      CutToWidth(Printable(note), size.columns) + "\n";
  std::istringstream lines(table.Render(true, with_colour));
  std::string line;
  for (std::size_t shown = 0; shown <= room && std::getline(lines, line); ++shown) {
    frame += CutToWidth(line, size.columns) + "\n";
  }
  if (servers_.size() > room) {
    frame += CutToWidth("and " + std::to_string(servers_.size() - room) + " more", size.columns);
  } else {
    frame.pop_back();
  }
  return frame;
}

std::string CutToWidth(const std::string& line, std::size_t columns) {
  std::string cut;
  std::size_t width = 0;
  bool coloured = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\x1b') {
      const std::size_t end = std::min(line.find('m', i), line.size() - 1);
      coloured = line.compare(i, end - i + 1, "\x1b[0m") != 0;
      cut.append(line, i, end - i + 1);
      i = end;
      continue;
    }
    const bool continues = (static_cast<unsigned char>(line[i]) & 0xC0U) == 0x80U;
    if (!continues && width++ == columns) break;
    cut += line[i];
  }
  return coloured ? cut + "\x1b[0m" : cut;
}

}  // namespace remora::cli
