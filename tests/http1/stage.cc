#include "tests/http1/stage.h"

#include <poll.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <set>
#include <tuple>
#include <utility>

#include "tests/support/read_wait.h"

namespace remora::http1 {

using proxy::testing::ReadEnd;
using strict::Message;
using strict::Outcome;
using SteadyClock = std::chrono::steady_clock;

namespace {

// For what must happen: reached only by a failing case, or by a machine that stands still.
constexpr std::chrono::seconds kDeadline{10};
// A proxy that does not read at once may have a reason.
constexpr std::chrono::milliseconds kPieceWait{20};
constexpr std::size_t kShownBytes = 700;

}  // namespace

std::string Escape(std::string_view bytes) {
  if (bytes.size() > kShownBytes) {
    return Escape(bytes.substr(0, kShownBytes / 2)) + "...(" + std::to_string(bytes.size()) +
           " bytes)..." + Escape(bytes.substr(bytes.size() - kShownBytes / 2));
  }
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\r') {
      text += "\\r";
    } else if (c == '\n') {
      text += "\\n";
    } else if (c == '\t') {
      text += "\\t";
    } else if (c == '\\' || c == '"') {
      text += {'\\', c};
    } else if (byte >= 0x20 && byte < 0x7f) {
      text += c;
    } else {
      text += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return text;
}

std::string LineOf(const strict::Field& field) { return field.name + ": " + field.value; }

std::vector<Asked> AskedIn(std::string_view bytes) {
  std::vector<Asked> all;
  while (!bytes.empty()) {
    while (bytes.starts_with("\r\n")) bytes.remove_prefix(2);
    const strict::Parsed parsed = strict::ParseRequest(bytes);
    all.push_back({parsed.message.method, parsed.message.minor_version});
    if (parsed.outcome != Outcome::kComplete) break;
    bytes.remove_prefix(parsed.size);
  }
  return all;
}

Client::Client(std::uint16_t port) : peer_(proxy::testing::Peer::Connect(port)) {
  if (peer_.fd() < 0) problems_.push_back("the proxy takes no connection");
}

void Client::Send(const std::vector<std::string>& pieces) {
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (!peer_.Send(pieces[i])) return;
    if (i + 1 < pieces.size()) strict::WaitUntilRead(peer_.fd(), kPieceWait);
  }
}

bool Client::says_close() const {
  return !answers_.empty() &&
         (answers_.back().HasToken("connection", "close") || answers_.back().minor_version == 0);
}

std::vector<unsigned> Client::StatusesOf(const std::vector<Message>& messages) {
  std::vector<unsigned> statuses;
  for (const Message& message : messages) statuses.push_back(message.status);
  return statuses;
}

void Client::Read(const std::vector<Asked>& asked, bool to_end) {
  const auto deadline = SteadyClock::now() + kDeadline;
  while (problems_.empty() && Parse(asked)) {
    const bool enough = answers_.size() >= asked.size() && !says_close() && !to_end;
    if (tunnel_ || enough || ended_) return;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - SteadyClock::now());
    const std::size_t before = peer_.buffered().size();
    const ReadEnd end = peer_.ReadMore(std::max(left, std::chrono::milliseconds(0)));
    bytes_ += std::string_view(peer_.buffered()).substr(before);
    if (end == ReadEnd::kTimeout) {
      problems_.push_back("the proxy neither answers nor closes within 10 s");
    }
    cleanly_ended_ = end == ReadEnd::kEnd;
    ended_ = cleanly_ended_ || end == ReadEnd::kReset;
  }
}

bool Client::Parse(const std::vector<Asked>& asked) {
  while (!tunnel_ && !peer_.buffered().empty()) {
    const Asked& current = answers_.size() < asked.size() ? asked[answers_.size()] : Asked();
    strict::Parsed parsed = strict::ParseResponse(peer_.buffered(), current.method, cleanly_ended_);
    if (parsed.outcome == Outcome::kComplete) {
      peer_.ReadBytes(parsed.size);
      Keep(std::move(parsed.message), current);
      continue;
    }
    if (parsed.outcome == Outcome::kMalformed) {
      problems_.push_back("the client gets malformed bytes: " + parsed.problem);
      return false;
    }
    if (!ended_) return true;
    if (!parsed.head_complete) problems_.push_back("the client gets a piece of a head");
    cut_ = std::move(parsed.message);
    return false;
  }
  return true;
}

void Client::Keep(Message message, const Asked& asked) {
  if (asked.minor_version == 0 &&
      (message.status < 200 || message.framing == strict::Framing::kChunked)) {
    problems_.push_back("an HTTP/1.0 client gets an interim answer or chunks");
  }
  tunnel_ = message.framing == strict::Framing::kTunnel;
  const bool interim = message.status < 200 && !tunnel_;
  (interim ? interim_ : answers_).push_back(std::move(message));
}

Stage::Stage() { proxy_.AddActive("strict", backend_.url(), {.weight = 1, .max_active = 0}); }

std::string Stage::AskCanary(Client& client, std::vector<std::string>& problems) {
  std::string id = "canary-" + std::to_string(++last_canary_);
  const std::string target = "/canary/" + id;
  canaries_.push_back(id);
  const std::size_t before = client.answers().size();
  client.Send({"GET " + target + " HTTP/1.1\r\nHost: canary\r\nX-Case: " + id + "\r\n\r\n"});
  client.Read(std::vector<Asked>(before + 1), false);
  const bool own = client.answers().size() == before + 1 && client.answers().back().status == 200 &&
                   client.answers().back().Get("x-seen") == id &&
                   client.answers().back().body == "GET " + target;
  if (!own) {
    problems.push_back("a following GET does not get its own answer; all that was read: \"" +
                       Escape(client.bytes()) + '"');
  }
  return id;
}

std::string Stage::AskCanary(std::vector<std::string>& problems) {
  Client client = Connect();
  std::string id = AskCanary(client, problems);
  for (const std::string& problem : client.problems()) {
    problems.push_back("on a new connection: " + problem);
  }
  client.Reset();
  return id;
}

void Stage::Collect() {
  for (auto& connection : backend_.Take()) collected_.push_back(std::move(connection));
}

Seen Stage::Observe() {
  const auto deadline = SteadyClock::now() + kDeadline;
  const auto unfinished = [this] {
    std::map<std::uint64_t, bool> open;  // the last that is known of each connection
    for (const auto& c : collected_) open[c.number] = c.partial && !c.ended && c.problem.empty();
    return std::ranges::any_of(open, [](const auto& entry) { return entry.second; });
  };
  Collect();
  while (unfinished() && SteadyClock::now() < deadline) {
    poll(nullptr, 0, 1);
    Collect();
  }
  Seen seen;
  if (unfinished()) {
    seen.problems.push_back("a request to the backend is neither completed nor given up in 10 s");
  }
  std::multiset<std::string> expected(canaries_.begin(), canaries_.end());
  std::vector<std::tuple<std::uint64_t, std::uint64_t, Message>> requests;
  for (auto& connection : collected_) {
    seen.bytes += connection.bytes;
    if (!connection.problem.empty()) {
      seen.problems.push_back("the backend gets malformed bytes: " + connection.problem);
    }
    seen.partial |= connection.partial && connection.ended;
    for (std::size_t i = 0; i < connection.requests.size(); ++i) {
      Message& request = connection.requests[i];
      const std::string id = request.Get("x-case").value_or("");
      const auto found = expected.find(id);
      if (found != expected.end() && request.target == "/canary/" + id) {
        expected.erase(found);
        seen.canaries[id] = connection.number;
      } else {
        requests.emplace_back(connection.order[i], connection.number, std::move(request));
      }
    }
  }
  for (const std::string& id : expected) seen.problems.push_back(id + " has not been seen");
  std::ranges::sort(requests, {}, [](const auto& entry) { return std::get<0>(entry); });
  for (auto& [order, connection, request] : requests) {
    seen.connections.push_back(connection);
    seen.requests.push_back(std::move(request));
  }
  collected_.clear();
  canaries_.clear();
  return seen;
}

}  // namespace remora::http1
