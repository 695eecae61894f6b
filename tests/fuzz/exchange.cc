// A whole exchange in memory: a client that sends any bytes, a backend that answers with any bytes,
// the proxy between them. The oracle reads all that was said on both sides:
//   - what arrives at the backend are requests, and they say what the client's requests say;
//   - what the client gets are answers, never more than it asked for, each the backend's or ours;
//   - a backend connection is used again only behind an answer that ended where it said;
//   - when both ends have closed, nothing is left.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/evidence.h"
#include "tests/fuzz/exchange_world.h"
#include "tests/fuzz/forwarding.h"
#include "tests/support/strict_http.h"

namespace remora::fuzz {
namespace {

using strict::Message;
using strict::Outcome;
using strict::Parsed;

constexpr std::string_view kBackendHost = "backend.test:8080";

// What the client's bytes ask for.
struct Asked {
  std::vector<Parsed> requests;  // only the last one may be incomplete or malformed
  bool open_end = false;         // where the last one ends is not known
};

bool IsLast(const Message& request) {
  return request.minor_version == 0 || request.HasToken("connection", "close");
}

Asked ReadClient(std::string_view bytes) {
  Asked asked;
  for (;;) {
    // One empty line before a request is passed over (RFC 9112 section 2.2).
    if (bytes.starts_with("\r\n")) bytes.remove_prefix(2);
    if (bytes.empty()) return asked;
    asked.requests.push_back(strict::ParseRequest(bytes));
    const Parsed& request = asked.requests.back();
    asked.open_end = IsForbiddenTrailer(request);
    if (request.outcome != Outcome::kComplete || IsLast(request.message)) return asked;
    bytes.remove_prefix(request.size);
  }
}

class Judge {
 public:
  Judge(std::string_view input, const Script& script, const World& world)
      : input_(input), script_(script), world_(world), asked_(ReadClient(script.client)) {}

  void Run() {
    if (!world_.ended()) Fail("the session goes on although both ends have closed", "");
    if (world_.active() != 0) Fail("a request is counted that has ended", "");
    CheckArrivals();
    for (const BackendConnection& connection : world_.connections()) CheckPartial(connection);
    ReadAnswers();
    CheckEnd();
    if (script_.pieces == Script::Pieces::kWhole && script_.trigger == Script::Trigger::kRequest &&
        script_.ending != Script::Ending::kClose) {
      CheckAnswers();
    }
  }

 private:
  [[noreturn]] void Fail(std::string_view problem, std::string_view detail) const {
    std::string backend;
    for (const BackendConnection& connection : world_.connections()) {
      backend += "<connection>" + connection.received;
    }
    Violation(problem, {{"detail", detail},
                        {"input", input_},
                        {"backend got", backend},
                        {"client got", world_.to_client()}});
  }

  Route RouteOf(const Message& sent) const {
    // HTTP/1.0 may leave it out, in the origin form nothing else names the host.
    const bool named = sent.Get("host").has_value() || Lower(sent.target).starts_with("http://");
    return {.prefix = script_.prefix, .host = named ? std::string_view() : kBackendHost};
  }

  // Is `got` what becomes of `sent`? The body may be a first part of it if `partial`.
  std::string Diff(const Parsed& sent, const Message& got, bool partial) const {
    if (!sent.head_complete) return "its head was not sent";
    std::string problem = DiffRequest(sent.message, got, RouteOf(sent.message));
    if (!problem.empty()) return problem;
    if (!partial && sent.outcome != Outcome::kComplete && !IsForbiddenTrailer(sent)) {
      return "it was not sent whole";
    }
    if (partial) return sent.message.body.starts_with(got.body) ? "" : "another body";
    return got.body == sent.message.body ? DiffTrailers(sent.message, got) : "another body";
  }

  // Answered by the proxy itself.
  static bool GoesNoFurther(const Message& request) {
    const std::string left = request.Get("max-forwards").value_or("1");
    return request.method == "OPTIONS" &&
           std::ranges::all_of(left, [](char c) { return c == '0'; });
  }

  // RFC 9110 section 9.2.2, and only if the backend has closed without a word.
  bool MayComeAgain(const Arrival& arrival) const {
    const std::string& method = arrival.request.method;
    const bool idempotent = method == "GET" || method == "HEAD" || method == "OPTIONS" ||
                            method == "PUT" || method == "DELETE";
    return idempotent && arrival.answer > 0 &&
           world_.connections()[arrival.connection].answers[arrival.answer].empty();
  }

  // Each request that arrived whole is the client's next one, or the last one again.
  void CheckArrivals() {
    answered_by_.resize(asked_.requests.size());
    std::size_t next = 0;
    const Arrival* last = nullptr;
    for (const Arrival& arrival : world_.arrivals()) {
      const bool again = last != nullptr && MayComeAgain(*last) &&
                         Diff(asked_.requests[next - 1], arrival.request, false).empty();
      if (!again) {
        while (next < asked_.requests.size() && GoesNoFurther(asked_.requests[next].message))
          ++next;
        if (next == asked_.requests.size()) {
          if (asked_.open_end) return;
          Fail("the backend gets a request that the client did not send", arrival.request.start);
        }
        const std::string problem = Diff(asked_.requests[next], arrival.request, false);
        if (!problem.empty()) Fail("the backend gets another request than was sent", problem);
        ++next;
      }
      last = &arrival;
      answered_by_[next - 1] = &arrival;
    }
  }

  void CheckPartial(const BackendConnection& connection) const {
    if (!connection.problem.empty()) Fail("the backend gets malformed bytes", connection.problem);
    if (connection.misused) Fail("a backend connection is used again that is not sound", "");
    if (connection.tunnel) return;
    const Parsed partial = strict::ParseRequest(
        std::string_view(connection.received).substr(connection.complete_bytes));
    if (!partial.head_complete || asked_.open_end) return;
    for (const Parsed& request : asked_.requests) {
      if (Diff(request, partial.message, true).empty()) return;
    }
    Fail("the backend gets a part of a request that was not sent", partial.message.start);
  }

  // Splits what the client got into answers, one for each request.
  void ReadAnswers() {
    std::string_view rest = world_.to_client();
    while (!rest.empty() && !tunnel_) {
      const std::size_t number = answers_.size();
      const bool asked = number < asked_.requests.size();
      // Which of them answers a HEAD is not known.
      unreadable_ = !asked && asked_.open_end;
      if (unreadable_) return;
      const Message request = asked ? asked_.requests[number].message : Message();
      // Of a head that can't be read nobody knows whether it is HEAD. With `GET` an error without
      // its body is only incomplete.
      const bool readable = asked && asked_.requests[number].head_complete;
      Parsed answer = strict::ParseResponse(rest, readable ? request.method : "GET", true);
      if (answer.outcome == Outcome::kMalformed) Fail("malformed answer", answer.problem);
      const unsigned status = answer.message.status;
      if (!asked) Fail("more answers than requests", answer.message.start);
      if (said_close_) Fail("an answer behind the last one", answer.message.start);
      const std::size_t size = answer.size;
      const bool complete = answer.outcome == Outcome::kComplete;
      if (answer.head_complete && status >= 100 && status < 200 && status != 101) {
        if (request.minor_version == 0) Fail("an interim answer to HTTP/1.0", "");
        if (!complete) return;
        rest.remove_prefix(size);
        continue;
      }
      said_close_ = answer.message.HasToken("connection", "close");
      tunnel_ = status == 101;
      if (asked && complete && !said_close_ && !tunnel_ &&
          asked_.requests[number].outcome != Outcome::kComplete && !asked_.open_end) {
        Fail("the connection goes on behind a request that has no end", "");
      }
      answers_.push_back(std::move(answer));
      if (!complete) return;
      rest.remove_prefix(size);
    }
  }

  // Each request that came whole is answered, and the proxy ends a connection only after an answer
  // that says so or is visibly cut.
  void CheckEnd() const {
    if (tunnel_ || unreadable_) return;
    const bool cut = !answers_.empty() && answers_.back().outcome != Outcome::kComplete;
    const auto whole = std::ranges::count(asked_.requests, Outcome::kComplete, &Parsed::outcome);
    if (script_.ending != Script::Ending::kClose && !said_close_ && !cut &&
        answers_.size() < static_cast<std::size_t>(whole)) {
      Fail("a request without an answer", asked_.requests[answers_.size()].message.start);
    }
    if (!world_.closed_by_proxy()) return;
    if (answers_.empty()) Fail("closed without an answer", "");
    if (!said_close_ && answers_.back().outcome == Outcome::kComplete) {
      Fail("closed without a word", answers_.back().message.start);
    }
  }

  // Each answer is the backend's to this very request, or an error of our own.
  void CheckAnswers() const {
    for (std::size_t i = 0; i < std::min(answers_.size(), answered_by_.size()); ++i) {
      if (answered_by_[i] == nullptr) continue;
      const Arrival& arrival = *answered_by_[i];
      const std::string& bytes = world_.connections()[arrival.connection].answers[arrival.answer];
      const std::string problem = DiffAnswer(arrival, bytes, answers_[i]);
      if (!problem.empty()) Fail("the client gets another answer than was given", problem);
    }
  }

  std::string DiffAnswer(const Arrival& arrival, std::string_view bytes, const Parsed& got) const {
    if (!got.head_complete || got.message.status == 502) return {};
    const std::string& method = arrival.request.method;
    // In the end each connection closes.
    Parsed given = strict::ParseResponse(bytes, method, true);
    while (given.outcome == Outcome::kComplete && given.message.status < 200 &&
           given.message.status != 101) {
      bytes.remove_prefix(given.size);
      given = strict::ParseResponse(bytes, method, true);
    }
    if (IsStoppedFraming(given)) return {};
    if (!given.head_complete) return "502 was due: " + given.problem;
    std::string problem = DiffResponse(given.message, got.message);
    if (!problem.empty()) return problem;
    const bool whole = given.outcome == Outcome::kComplete || IsForbiddenTrailer(given);
    const bool got_whole = got.outcome == Outcome::kComplete;
    // Towards HTTP/1.0 only a reset tells that a body is cut, and unix sockets have none.
    if (got_whole && !whole && got.message.framing != strict::Framing::kUntilClose) {
      return "the client can't see that the answer is incomplete: " + given.problem;
    }
    if (whole && !got_whole) return "the answer is cut";
    if (whole ? got.message.body != given.message.body
              : !given.message.body.starts_with(got.message.body)) {
      return "another body";
    }
    return DiffTrailers(given.message, got.message);
  }

  const std::string_view input_;
  const Script& script_;
  const World& world_;
  const Asked asked_;
  // By the number of the request: the last time that it arrived.
  std::vector<const Arrival*> answered_by_;
  std::vector<Parsed> answers_;  // final ones
  bool said_close_ = false;
  bool unreadable_ = false;  // what comes behind a request whose end is not known
  bool tunnel_ = false;
};

void TestOne(std::string_view input) {
  const Script script = ReadScript(input);
  World world(script, input);
  world.Run();
  Judge(input, script, world).Run();
}

}  // namespace
}  // namespace remora::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  remora::fuzz::TestOne({reinterpret_cast<const char*>(data), size});
  return 0;
}
