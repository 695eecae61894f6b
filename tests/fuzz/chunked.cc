// Any bytes as a chunked body: decoded alike however they are cut, to what the oracle reads; and
// what is written anew for the other side is the same body again.

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "proxy/message/body.h"
#include "tests/fuzz/evidence.h"
#include "tests/fuzz/forwarding.h"
#include "tests/support/strict_http.h"

namespace remora::fuzz {
namespace {

namespace message = proxy::message;

constexpr std::string_view kHead =
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr message::BodyLimits kSmall{
    .body_bytes = 40, .chunk_extension_bytes = 24, .trailer_bytes = 32};

struct Decoded {
  std::string refused;  // why; empty if it was not
  bool ended = false;
  std::size_t consumed = 0;
  std::string body;
  std::string trailers;
  std::string rewritten;  // framed anew, piece by piece
};

// As http1::Channel::Write frames it.
void AppendChunk(std::string_view data, bool end, std::string_view trailers, std::string& out) {
  if (!data.empty()) {
    char digits[16];
    out.append(digits, std::to_chars(digits, digits + sizeof(digits), data.size(), 16).ptr);
    out.append("\r\n").append(data).append("\r\n");
  }
  if (end) out.append("0\r\n").append(trailers).append("\r\n");
}

template <class Next>
Decoded Decode(std::string_view input, proxy::Side side, const message::BodyLimits& limits,
               Next next) {
  Decoded decoded;
  message::BodyDecoder decoder(message::Framing::kChunked, 0, side, limits);
  while (decoded.consumed < input.size() && !decoded.ended) {
    const std::size_t size = next(input.size() - decoded.consumed);
    // It works within the buffer; of exactly its size, so that a step over its end is noticed.
    const auto buffer = std::make_unique<char[]>(size);
    std::memcpy(buffer.get(), input.data() + decoded.consumed, size);
    const auto step = decoder.Decode(std::span(buffer.get(), size));
    if (!step) {
      decoded.refused = std::string(proxy::Describe(step.error().kind).reason) + ": " +
                        std::string(step.error().detail);
      return decoded;
    }
    if (step->consumed > size || step->data > step->consumed ||
        (step->consumed < size && !step->end)) {
      Violation("a step of impossible size", {{"input", input}});
    }
    const std::string_view data(buffer.get(), step->data);
    decoded.consumed += step->consumed;
    decoded.body += data;
    decoded.ended = step->end;
    AppendChunk(data, step->end, decoder.trailers(), decoded.rewritten);
  }
  decoded.trailers = decoder.trailers();
  if (decoded.ended != decoder.ended() || decoded.ended != decoder.OnEndOfStream().has_value()) {
    Violation("the end of the body is told in two ways", {{"input", input}});
  }
  return decoded;
}

std::string Describe(const Decoded& decoded) {
  if (!decoded.refused.empty()) return "refused: " + decoded.refused;
  return (decoded.ended ? "ended at " : "open at ") + std::to_string(decoded.consumed) + " {" +
         decoded.body + "}{" + decoded.trailers + "}";
}

Decoded DecodeInAllCuts(std::string_view input, proxy::Side side,
                        const message::BodyLimits& limits) {
  const Decoded whole = Decode(input, side, limits, [](std::size_t left) { return left; });
  Cuts cuts(input);
  Decoded pieces = Decode(input, side, limits, [&](std::size_t left) { return cuts.Next(left); });
  const Decoded bytes = Decode(input, side, limits, [](std::size_t) { return std::size_t{1}; });
  if (Describe(whole) != Describe(pieces) || Describe(whole) != Describe(bytes)) {
    Violation("the outcome depends on where the bytes are cut", {{"input", input},
                                                                 {"whole", Describe(whole)},
                                                                 {"in pieces", Describe(pieces)},
                                                                 {"by bytes", Describe(bytes)}});
  }
  return pieces;
}

void CheckRewritten(std::string_view input, const Decoded& decoded, const strict::Message& sent) {
  const std::string again = std::string(kHead) + decoded.rewritten;
  const strict::Parsed got = strict::ParseRequest(again);
  const strict::Outcome expected =
      decoded.ended ? strict::Outcome::kComplete : strict::Outcome::kIncomplete;
  if (got.outcome != expected || got.message.body != decoded.body ||
      (decoded.ended && got.size != again.size())) {
    Violation("the body changes when it is framed anew",
              {{"input", input}, {"anew", decoded.rewritten}, {"problem", got.problem}});
  }
  const std::string problem = DiffTrailers(sent, got.message);
  if (!problem.empty()) Violation(problem, {{"input", input}, {"anew", decoded.rewritten}});
}

void TestOne(std::string_view input) {
  for (const proxy::Side side : {proxy::Side::kDownstream, proxy::Side::kUpstream}) {
    DecodeInAllCuts(input, side, kSmall);
  }
  const Decoded decoded = DecodeInAllCuts(input, proxy::Side::kDownstream, {});
  const std::string whole = std::string(kHead) + std::string(input);
  const strict::Parsed sent = strict::ParseRequest(whole);
  const bool forbidden_trailer = IsForbiddenTrailer(sent);
  if (!decoded.refused.empty()) {
    // 16 digits and more are too many for the proxy, leading zeros included.
    if (sent.outcome == strict::Outcome::kMalformed || decoded.refused.ends_with("too large") ||
        decoded.refused.find("longer than") != std::string::npos) {
      return;
    }
    Violation("a sound body is refused", {{"input", input}, {"because", decoded.refused}});
  }
  // A trailer line is refused only when it has come whole; nothing of it has passed then.
  if (decoded.ended && sent.outcome == strict::Outcome::kMalformed && !forbidden_trailer) {
    Violation("a malformed body is accepted",
              {{"input", input}, {"problem", sent.problem}, {"decoded", Describe(decoded)}});
  }
  const bool sent_ended = sent.outcome == strict::Outcome::kComplete || forbidden_trailer;
  if (decoded.ended != sent_ended || decoded.body != sent.message.body ||
      (!forbidden_trailer && sent_ended && kHead.size() + decoded.consumed != sent.size)) {
    Violation("the body is read otherwise", {{"input", input}, {"decoded", Describe(decoded)}});
  }
  CheckRewritten(input, decoded, sent.message);
}

}  // namespace
}  // namespace remora::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  remora::fuzz::TestOne({reinterpret_cast<const char*>(data), size});
  return 0;
}
