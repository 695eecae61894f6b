// Any bytes as the head of a request: read alike however they are cut; and what is accepted is
// what the oracle reads too, before and after it is written anew for the backend.

#include <algorithm>
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

constexpr std::string_view kViaName = "remora-fuzz";
constexpr std::string_view kBackend = "backend.test:8080";
// Small enough for the fuzzer to reach.
constexpr message::HeadLimits kSmall{.head_bytes = 192, .head_fields = 5, .request_line_bytes = 48};

message::Framing ToProxy(strict::Framing framing, std::uint64_t length) {
  switch (framing) {
    case strict::Framing::kChunked:
      return message::Framing::kChunked;
    case strict::Framing::kLength:
      return length == 0 ? message::Framing::kNone : message::Framing::kLength;
    default:
      return message::Framing::kNone;
  }
}

void CheckForwarded(std::string_view input, const message::RequestHead& head,
                    const strict::Message& sent, const Route& route) {
  std::string out;
  message::AppendRequestHead(head,
                             {.prefix = route.prefix,
                              .host = route.host,
                              .client_ip = "192.0.2.1",
                              .request_id = head.request_id.empty() ? "id" : head.request_id,
                              .via_name = kViaName},
                             out);
  const strict::Parsed got = strict::ParseRequest(out);
  if (got.outcome == strict::Outcome::kMalformed || !got.head_complete) {
    Violation("what is forwarded is no request",
              {{"input", input}, {"forwarded", out}, {"problem", got.problem}});
  }
  const std::string problem = DiffRequest(sent, got.message, route);
  if (!problem.empty()) {
    Violation("what is forwarded says something else",
              {{"input", input}, {"forwarded", out}, {"problem", problem}});
  }
}

void CheckAccepted(std::string_view input, std::string_view bytes, message::RequestHead& head) {
  const strict::Parsed sent = strict::ParseRequest(bytes);
  if (sent.outcome == strict::Outcome::kMalformed || !sent.head_complete) {
    Violation("a malformed request is accepted", {{"input", input}, {"problem", sent.problem}});
  }
  if (head.framing != ToProxy(sent.message.framing, head.length)) {
    Violation("the body is framed otherwise", {{"input", input}});
  }
  if (head.max_forwards == 0) return;  // goes no further
  const std::string_view own_host = head.authority.empty() ? kBackend : std::string_view();
  CheckForwarded(input, head, sent.message, {.prefix = "", .host = own_host});
  CheckForwarded(input, head, sent.message, {.prefix = "/a/b", .host = kBackend});
}

// Sound in the oracle's eyes, and yet refused with 400: decisions of ours that the cases of
// tests/http1 give the reasons for.
bool IsNotServed(const strict::Message& request, const proxy::ProxyError& error) {
  if (error.detail == "bad Max-Forwards" || HasOddConnection(request)) return true;
  const bool https = Lower(request.target).starts_with("https://");
  const auto is_odd = [](std::string_view authority) {
    const std::size_t port = authority.size() - std::min(authority.rfind(':'), authority.size());
    return authority.starts_with("[v") || authority.starts_with("[V") ||  // IPvFuture
           authority.find_first_of("%,") != std::string_view::npos || authority.size() > 255 ||
           port > std::string_view(":65535").size();
  };
  const std::string_view rest =
      std::string_view(request.target).substr(std::min<std::size_t>(7, request.target.size()));
  return https || is_odd(request.Get("host").value_or("")) ||
         (Lower(request.target).starts_with("http://") &&
          is_odd(rest.substr(0, rest.find_first_of("/?"))));
}

// What is refused as bad syntax must be bad in the oracle's eyes too, or the proxy is stricter than
// it says. The other answers (405, 417, 431, ...) are about what is well-formed but not served.
void CheckRefused(std::string_view input, std::string_view bytes, const proxy::ProxyError& error) {
  if (error.kind != proxy::ErrorKind::kBadRequest) return;
  const strict::Parsed parsed = strict::ParseRequest(bytes);
  if (parsed.outcome == strict::Outcome::kMalformed || !parsed.head_complete) return;
  if (IsNotServed(parsed.message, error)) return;
  Violation("a sound request is refused", {{"input", input}, {"because", error.detail}});
}

void TestOne(std::string_view input) {
  const auto small =
      ReadHeadInAllCuts<message::RequestHead>(message::ParseRequestHead, input, kSmall);
  auto outcome = ReadHeadInAllCuts<message::RequestHead>(message::ParseRequestHead, input, {});
  if (small.complete() && Describe(small) != Describe(outcome)) {
    Violation("limits change how a head is read", {{"input", input}});
  }
  if (!outcome.parsed) {
    CheckRefused(input, input.substr(outcome.start), outcome.parsed.error());
    return;
  }
  if (!outcome.complete()) return;
  const std::string_view bytes = input.substr(outcome.start, outcome.size() - outcome.start);
  const auto checked = message::ApplyRequestRules(outcome.head, {.via_name = kViaName});
  if (checked) {
    CheckAccepted(input, bytes, outcome.head);
  } else {
    CheckRefused(input, bytes, checked.error());
  }
}

}  // namespace
}  // namespace remora::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  remora::fuzz::TestOne({reinterpret_cast<const char*>(data), size});
  return 0;
}
