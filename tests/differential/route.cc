#include "tests/differential/route.h"

#include <poll.h>

#include <iterator>
#include <string_view>
#include <utility>

namespace remora::differential {
namespace {

using proxy::testing::Peer;
using proxy::testing::ReadEnd;
using std::chrono::milliseconds;
using Connections = std::vector<strict::RecordingBackend::Connection>;

// For the proxy to see the first part of a mutant alone. Nothing depends on whether it does.
constexpr milliseconds kBetweenParts{2};
// A proxy that says nothing for this long waits for more.
constexpr milliseconds kQuiet{100};
// For what a proxy does when its client has half-closed: all of them end well before.
constexpr milliseconds kEnd{10'000};

ReadEnd ReadUntilQuiet(Peer& client, const Reading& reading) {
  const std::vector<std::string> methods = MethodsDue(reading);
  // What is malformed is to be refused, which is an answer as well.
  const std::size_t answers = methods.size() + (reading.rest == strict::Outcome::kComplete ? 0 : 1);
  for (;;) {
    if (ReadAnswers(client.buffered(), methods).messages.size() >= answers) return ReadEnd::kBytes;
    const ReadEnd end = client.ReadMore(kQuiet);
    if (end != ReadEnd::kBytes) return end;
  }
}

}  // namespace

Play Route::Send(const Mutant& mutant, const Reading& reading) {
  Play play;
  Peer client = Peer::Connect(proxy_port_);
  std::string_view bytes = mutant.bytes;
  ReadEnd end = ReadEnd::kBytes;
  if (mutant.cut > 0) {
    client.Send(bytes.substr(0, mutant.cut));
    bytes.remove_prefix(mutant.cut);
    end = client.ReadMore(kBetweenParts);
  }
  // A proxy that has seen enough may be gone.
  client.Send(bytes);
  if (!mutant.half_close) end = ReadUntilQuiet(client, reading);
  client.ShutdownSend();
  if (end == ReadEnd::kBytes || end == ReadEnd::kTimeout) end = client.ReadToEnd(kEnd);
  play.end = end;
  play.answers = client.buffered();
  client.Close();
  play.arrived = backend_.Take();
  return play;
}

Connections Route::Settle(milliseconds time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  Connections all;
  while (std::chrono::steady_clock::now() < deadline) {
    poll(nullptr, 0, 5);
    Connections some = backend_.Take();
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  return all;
}

std::vector<std::string> MethodsDue(const Reading& reading) {
  std::vector<std::string> methods;
  for (std::size_t i = 0; i < reading.due(); ++i) methods.push_back(reading.messages[i].method);
  return methods;
}

Answers ReadAnswers(std::string_view bytes, const std::vector<std::string>& methods) {
  Answers answers;
  while (!bytes.empty()) {
    // Of a request that was never one the method is not known, and the refusal may have a body or
    // none.
    const std::size_t index = answers.messages.size();
    const bool known = index < methods.size();
    strict::Parsed parsed = strict::ParseResponse(bytes, known ? methods[index] : "GET", true);
    if (!known && parsed.outcome != strict::Outcome::kComplete) {
      strict::Parsed headless = strict::ParseResponse(bytes, "HEAD", true);
      if (headless.outcome == strict::Outcome::kComplete) parsed = std::move(headless);
    }
    if (parsed.outcome == strict::Outcome::kMalformed) {
      answers.sound = false;
      answers.problem = std::move(parsed.problem);
    }
    if (parsed.outcome != strict::Outcome::kComplete) break;
    bytes.remove_prefix(parsed.size);
    if (parsed.message.status >= 200) answers.messages.push_back(std::move(parsed.message));
  }
  return answers;
}

}  // namespace remora::differential
