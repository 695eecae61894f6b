// Any bytes as the head of a backend's answer: read alike however they are cut; and what is
// accepted is what the oracle reads too, before and after it is written anew for the client.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/message/head_parser.h"
#include "proxy/message/rules.h"
#include "proxy/message/serialize.h"
#include "tests/fuzz/evidence.h"
#include "tests/fuzz/forwarding.h"
#include "tests/fuzz/head_outcome.h"
#include "tests/support/strict_http.h"

namespace remora::fuzz {
namespace {

namespace message = proxy::message;

constexpr message::HeadLimits kSmall{.head_bytes = 192, .head_fields = 5, .request_line_bytes = 48};
constexpr std::string_view kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

// What is answered.
struct Asked {
  std::string_view method;
  bool websocket = false;
  unsigned minor_version = 1;
  bool trailers = false;
};

constexpr Asked kAsked[] = {{.method = "GET", .trailers = true},
                            {.method = "HEAD"},
                            {.method = "GET", .websocket = true},
                            {.method = "POST", .minor_version = 0}};

std::string Serialize(const message::ResponseHead& head, const Asked& asked) {
  std::string out;
  if (head.is_interim()) {
    message::AppendInterimHead(head, out);
    return out;
  }
  const auto framing = message::FramingTowards(asked.minor_version, head.framing);
  message::AppendResponseHead(head,
                              {.request_id = "id",
                               .date = kDate,
                               .framing = framing,
                               .close = asked.minor_version == 0,
                               .trailers = asked.trailers},
                              out);
  return out;
}

message::Framing FramingOf(strict::Framing framing) {
  switch (framing) {
    case strict::Framing::kChunked:
      return message::Framing::kChunked;
    case strict::Framing::kLength:
      return message::Framing::kLength;
    case strict::Framing::kUntilClose:
      return message::Framing::kUntilClose;
    case strict::Framing::kTunnel:
      return message::Framing::kTunnel;
    case strict::Framing::kNone:
      break;
  }
  return message::Framing::kNone;
}

void CheckFraming(std::string_view input, const message::ResponseHead& head, const Asked& asked,
                  const strict::Message& got) {
  const bool bodiless = asked.method == "HEAD" || head.status == 304;
  auto expected = message::FramingTowards(asked.minor_version, head.framing);
  const auto framing = bodiless ? message::Framing::kNone : FramingOf(got.framing);
  // A body of no bytes has a length in the message's own words.
  if (expected == message::Framing::kNone && framing == message::Framing::kLength) {
    expected = got.Get("content-length") == "0" || head.length == 0 ? framing : expected;
  }
  if (framing != expected) Violation("the client sees another framing", {{"input", input}});
}

void CheckAccepted(std::string_view input, std::string_view bytes,
                   const message::ResponseHead& head, const Asked& asked) {
  const strict::Parsed sent = strict::ParseResponse(bytes, asked.method, false);
  const bool stopped = IsStoppedFraming(sent);
  if ((sent.outcome == strict::Outcome::kMalformed && !stopped) ||
      (!sent.head_complete && !stopped)) {
    Violation("a malformed answer is accepted", {{"input", input}, {"problem", sent.problem}});
  }
  const std::string out = Serialize(head, asked);
  const strict::Parsed got = strict::ParseResponse(out, asked.method, false);
  if (got.outcome == strict::Outcome::kMalformed || !got.head_complete) {
    Violation("what is passed on is no answer",
              {{"input", input}, {"passed on", out}, {"problem", got.problem}});
  }
  if (!stopped) {
    const std::string problem = DiffResponse(sent.message, got.message);
    if (!problem.empty()) {
      Violation("what is passed on says something else",
                {{"input", input}, {"passed on", out}, {"problem", problem}});
    }
  }
  CheckFraming(input, head, asked, got.message);
}

void CheckRefused(std::string_view input, const Asked& asked, const proxy::ProxyError& error) {
  const strict::Parsed parsed = strict::ParseResponse(input, asked.method, false);
  if (parsed.outcome == strict::Outcome::kMalformed || !parsed.head_complete) return;
  // An upgrade is sound for the oracle whatever was asked for.
  if (parsed.message.status == 101 || HasOddConnection(parsed.message)) return;
  if (error.limit != proxy::Limit::kNone) return;
  Violation("a sound answer is refused", {{"input", input}, {"because", error.detail}});
}

void TestOne(std::string_view input) {
  const auto small =
      ReadHeadInAllCuts<message::ResponseHead>(message::ParseResponseHead, input, kSmall);
  const auto outcome =
      ReadHeadInAllCuts<message::ResponseHead>(message::ParseResponseHead, input, {});
  if (small.complete() && Describe(small) != Describe(outcome)) {
    Violation("limits change how a head is read", {{"input", input}});
  }
  if (!outcome.parsed) {
    CheckRefused(input, kAsked[0], outcome.parsed.error());
    return;
  }
  if (!outcome.complete()) return;
  const std::string_view bytes = input.substr(0, outcome.size());
  for (const Asked& asked : kAsked) {
    message::RequestHead request;
    request.method = asked.method;
    request.minor_version = asked.minor_version;
    request.wants_websocket = asked.websocket;
    request.wants_trailers = asked.trailers;
    message::ResponseHead head = outcome.head;
    const auto checked = message::ApplyResponseRules(request, head);
    if (checked) {
      CheckAccepted(input, bytes, head, asked);
    } else {
      CheckRefused(input, asked, checked.error());
    }
  }
}

}  // namespace
}  // namespace remora::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  remora::fuzz::TestOne({reinterpret_cast<const char*>(data), size});
  return 0;
}
