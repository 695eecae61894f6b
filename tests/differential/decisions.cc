#include "tests/differential/decisions.h"

#include <algorithm>
#include <string>

namespace remora::differential {
namespace {

// Remora's own: zeros in front say nothing, and these numbers fit.
constexpr std::size_t kMostSizeDigits = 15;
constexpr std::size_t kMostPortDigits = 5;
constexpr std::size_t kLongestMethod = 64;

template <class Applies>
bool AnyRequest(const Reading& reading, Applies applies) {
  return std::ranges::any_of(reading.messages, applies);
}

bool IsRefusedMethod(const Reading& reading, std::string_view) {
  return AnyRequest(reading, [](const strict::Message& request) {
    return request.method == "TRACE" || request.method == "CONNECT";
  });
}

bool SameLetters(std::string_view text, std::string_view lower) {
  return std::ranges::equal(
      text, lower, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

bool ExpectsSomethingElse(const Reading& reading, std::string_view) {
  return AnyRequest(reading, [](const strict::Message& request) {
    const auto expect = request.Get("expect");
    return expect && !SameLetters(*expect, "100-continue");
  });
}

bool AsksForHttps(const Reading& reading, std::string_view) {
  return AnyRequest(reading, [](const strict::Message& request) {
    return SameLetters(std::string_view(request.target).substr(0, 8), "https://");
  });
}

bool HasLongMethod(const Reading& reading, std::string_view) {
  return AnyRequest(reading, [](const strict::Message& request) {
    return request.method.size() > kLongestMethod;
  });
}

// In Host or, what is the same then, in the target.
bool HasLongPort(const Reading& reading, std::string_view) {
  return AnyRequest(reading, [](const strict::Message& request) {
    const std::string host = request.Get("host").value_or("");
    const std::size_t colon = host.rfind(':');
    return colon != std::string::npos && host.size() - (colon + 1) > kMostPortDigits &&
           host.find(']', colon) == std::string::npos;
  });
}

bool HasLongChunkSize(const Reading&, std::string_view bytes) {
  for (std::size_t line = bytes.find('\n'); line != std::string_view::npos;
       line = bytes.find('\n', line + 1)) {
    const std::size_t end = bytes.find_first_not_of("0123456789abcdefABCDEF", line + 1);
    if (std::min(end, bytes.size()) - (line + 1) > kMostSizeDigits) return true;
  }
  return false;
}

}  // namespace

const std::vector<Decision>& Decisions() {
  static const std::vector<Decision> decisions = {
      {.name = "TRACE and CONNECT", .answer = 405, .applies = IsRefusedMethod},
      {.name = "Expect other than 100-continue", .answer = 417, .applies = ExpectsSomethingElse},
      {.name = "https:// in the target", .answer = 400, .applies = AsksForHttps},
      {.name = "a method of more than 64 bytes", .answer = 501, .applies = HasLongMethod},
      {.name = "a port of more than 5 digits", .answer = 400, .applies = HasLongPort},
      {.name = "a chunk size of more than 15 digits", .answer = 400, .applies = HasLongChunkSize},
  };
  return decisions;
}

std::string_view DecidedBy(const Reading& reading, std::string_view bytes, const Verdict& verdict) {
  for (const Decision& decision : Decisions()) {
    // A body that breaks later may have no answer any more.
    const bool answered = verdict.statuses.empty() || verdict.statuses.back() == decision.answer;
    if (answered && decision.applies(reading, bytes)) return decision.name;
  }
  return {};
}

}  // namespace remora::differential
