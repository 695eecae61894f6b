// Reads a head as the proxy's channel does: all that has come so far again and again, until it is
// complete or refused.
//
// Pure; one thread. A HeadOutcome owns the bytes that its head points into.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/base/error.h"
#include "proxy/message/head.h"
#include "proxy/message/head_parser.h"
#include "tests/fuzz/evidence.h"

namespace remora::fuzz {

template <class Head>
struct HeadOutcome {
  proxy::Result<proxy::message::ParsedSize> parsed;
  Head head;
  std::size_t start = 0;  // of the head in the input
  std::unique_ptr<char[]> bytes;

  bool complete() const { return parsed && *parsed; }
  std::size_t size() const { return **parsed; }
};

// `next(left)`: how many bytes come next. Each try sees the bytes at another place (they move when
// the channel's buffer grows), of exactly their size, so that a read behind them is noticed.
template <class Head, class Parse, class Next>
HeadOutcome<Head> ReadHead(Parse parse, std::string_view input,
                           const proxy::message::HeadLimits& limits, Next next) {
  HeadOutcome<Head> outcome;
  proxy::message::HeadScanner scanner;
  for (std::size_t there = 0; there < input.size();) {
    there += next(input.size() - there);
    auto bytes = std::make_unique<char[]>(there);
    std::memcpy(bytes.get(), input.data(), there);
    outcome.parsed = parse(scanner, std::string_view(bytes.get(), there), limits, outcome.head);
    outcome.bytes = std::move(bytes);
    outcome.start = scanner.start();
    if (!outcome.parsed || *outcome.parsed) break;
  }
  return outcome;
}

// As text, for comparing and for people.
template <class Head>
std::string Describe(const HeadOutcome<Head>& outcome) {
  if (!outcome.parsed) {
    return "refused: " + std::string(proxy::Describe(outcome.parsed.error().kind).reason) + ": " +
           std::string(outcome.parsed.error().detail);
  }
  if (!*outcome.parsed) return "incomplete";
  const Head& head = outcome.head;
  std::string text = std::to_string(outcome.start) + " to " + std::to_string(outcome.size()) +
                     ", 1." + std::to_string(head.minor_version);
  if constexpr (requires { head.method; }) {
    text.append("{").append(head.method).append("}{").append(head.target).append("}");
  } else {
    text.append("{").append(std::to_string(head.status)).append("}{").append(head.reason) += '}';
  }
  for (const proxy::message::Field& field : head.fields) {
    text.append("{").append(field.name()).append("}{").append(field.value()).append("}{");
    text.append(field.line()).append("}").append(std::to_string(static_cast<int>(field.id())));
  }
  return text;
}

// However the bytes are cut, the outcome is the same: whole, in random pieces, byte by byte.
template <class Head, class Parse>
HeadOutcome<Head> ReadHeadInAllCuts(Parse parse, std::string_view input,
                                    const proxy::message::HeadLimits& limits) {
  auto whole = ReadHead<Head>(parse, input, limits, [](std::size_t left) { return left; });
  const auto compare = [&](std::string_view how, const HeadOutcome<Head>& other) {
    if (Describe(whole) == Describe(other)) return;
    Violation("the outcome depends on where the bytes are cut",
              {{"input", input}, {"whole", Describe(whole)}, {how, Describe(other)}});
  };
  Cuts cuts(input);
  compare("in pieces",
          ReadHead<Head>(parse, input, limits, [&](std::size_t left) { return cuts.Next(left); }));
  constexpr std::size_t kFew = 256;  // it takes the square of the time
  if (input.size() <= kFew) {
    compare("byte by byte",
            ReadHead<Head>(parse, input, limits, [](std::size_t) { return std::size_t{1}; }));
  }
  return whole;
}

}  // namespace remora::fuzz
