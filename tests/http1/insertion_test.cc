// One byte too many, or another one, at every place of valid messages: whatever it makes of the
// message, the proxy and the oracle agree about it, and nothing malformed passes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/http1/player.h"
#include "tests/http1/stage.h"

namespace remora::http1 {
namespace {

using strict::Message;
using strict::Outcome;
using strict::RecordingBackend;

constexpr std::array<char, 8> kBytes = {'\0', '\r', '\n', ' ', '\t', '\x7f', '\x80', '\xff'};
constexpr std::size_t kShownFailures = 5;

// Leniencies towards clients: none. Whatever the oracle calls malformed must not reach the backend
// as a complete request. (The one empty line before a request line that the proxy passes over, RFC
// 9112 section 2.2, would take two inserted bytes.)
// Leniencies towards backends: blanks before a colon may be taken out (RFC 9112 section 5.1).
std::string WithoutBlanksBeforeColons(std::string bytes) {
  for (std::size_t i = 1; i < bytes.size(); ++i) {
    while (i > 0 && bytes[i] == ':' && (bytes[i - 1] == ' ' || bytes[i - 1] == '\t')) {
      bytes.erase(--i, 1);
    }
  }
  return bytes;
}

struct ValidMessage {
  std::string name;
  std::string bytes;
};

std::vector<ValidMessage> ValidRequests() {
  const std::string chunked =
      "POST /chunked HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n"
      "Trailer: Etag\r\n\r\n5;name=value;quoted=\"a b\"\r\nhello\r\n6\r\n world\r\n0;last\r\n"
      "Etag: \"x\"\r\nX-Checksum: 1\r\n\r\n";
  return {
      {"PlainGet", "GET /path?query=1 HTTP/1.1\r\nHost: example.test\r\n\r\n"},
      {"GetWithManyFields",
       "GET /fields HTTP/1.1\r\nHost: example.test:8080\r\nUser-Agent: agent/1.0 (a; b)\r\n"
       "Accept: text/html, */*;q=0.8\r\nAccept-Encoding: gzip, br\r\nCookie: a=b; c=d\r\n"
       "Connection: keep-alive\r\nTE: trailers\r\nX-Empty:\r\nCache-Control: no-cache\r\n\r\n"},
      {"SizedPost",
       "POST /sized HTTP/1.1\r\nHost: example.test\r\nContent-Type: text/plain\r\n"
       "Content-Length: 11\r\n\r\nhello world"},
      {"ChunkedPost", chunked},
      {"AbsoluteForm", "GET http://example.test/absolute?q HTTP/1.1\r\nHost: example.test\r\n\r\n"},
      {"Pipeline",
       "POST /first HTTP/1.1\r\nHost: example.test\r\nContent-Length: 3\r\n\r\nabc"
       "GET /second HTTP/1.1\r\nHost: example.test\r\nX-Second: yes\r\n\r\n"},
      {"OptionsOfAll", "OPTIONS * HTTP/1.1\r\nHost: example.test\r\n\r\n"},
  };
}

std::vector<ValidMessage> ValidResponses() {
  return {
      {"Sized",
       "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
       "Content-Length: 5\r\n\r\nhello"},
      {"Chunked",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;name=\"a b\"\r\nhello\r\n"
       "1\r\n!\r\n0\r\nEtag: x\r\n\r\n"},
      {"NoContent", "HTTP/1.1 204 No Content\r\nServer: s\r\n\r\n"},
      {"Interim",
       "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Y: z\r\n\r\nok"},
      {"UntilClose", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello"},
  };
}

bool SameName(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

// The fields that must pass as they are: all but those that each hop has for itself, and the
// proxy's own.
std::vector<std::string> EndToEndLines(const Message& message) {
  constexpr std::string_view kOwn[] = {"connection",
                                       "forwarded",
                                       "keep-alive",
                                       "proxy-connection",
                                       "date",
                                       "te",
                                       "transfer-encoding",
                                       "upgrade",
                                       "via",
                                       "trailer",
                                       "x-forwarded-for",
                                       "x-forwarded-host",
                                       "x-forwarded-proto",
                                       "x-request-id"};
  std::vector<std::string> lines;
  for (const strict::Field& field : message.fields) {
    const auto same = [&](std::string_view name) { return SameName(name, field.name); };
    if (std::ranges::any_of(kOwn, same) || message.HasToken("connection", field.name)) continue;
    lines.push_back(LineOf(field));
  }
  return lines;
}

// What a backend is asked for by that target.
std::string OriginForm(const Message& request) {
  const std::string& target = request.target;
  if (target.starts_with('/') || target == "*") return target;
  const std::size_t path = target.find_first_of("/?", target.find("://") + 3);
  if (path == std::string::npos) return request.method == "OPTIONS" ? "*" : "/";
  return (target[path] == '?' ? "/" : "") + target.substr(path);
}

// All of `part` are in `whole`, in the same order.
bool IsSubsequence(const std::vector<strict::Field>& part,
                   const std::vector<strict::Field>& whole) {
  auto at = whole.begin();
  for (const strict::Field& field : part) {
    at = std::find(at, whole.end(), field);
    if (at == whole.end()) return false;
    ++at;
  }
  return true;
}

void CheckSame(std::string_view what, const Message& expected, const Message& got,
               std::vector<std::string>& problems) {
  const std::string begin = "what passes has another " + std::string(what) + ": ";
  if (expected.body != got.body) {
    problems.push_back(begin + "body \"" + Escape(got.body) + "\" for \"" + Escape(expected.body) +
                       '"');
  }
  if (EndToEndLines(expected) != EndToEndLines(got)) problems.push_back(begin + "fields");
  if (!IsSubsequence(got.trailers, expected.trailers)) problems.push_back(begin + "trailers");
}

// The answers are 200 to what was forwarded, then at most one refusal, which ends the connection.
void CheckStatuses(const std::vector<unsigned>& statuses, bool says_close, std::size_t forwarded,
                   std::vector<std::string>& problems) {
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    const bool refusal =
        i == forwarded && i + 1 == statuses.size() && statuses[i] >= 400 && says_close;
    if ((i < forwarded && statuses[i] == 200) || refusal) continue;
    problems.push_back("answer " + std::to_string(i + 1) + " is " + std::to_string(statuses[i]));
  }
  if (statuses.size() < forwarded) problems.push_back("a forwarded request is not answered");
}

std::string PlayRequest(Stage& stage, const std::string& bytes) {
  const strict::Sequence oracle = strict::ParseRequests(bytes);
  const bool whole = oracle.rest == Outcome::kComplete;
  std::vector<std::string> problems;
  Client client = stage.Connect();
  client.Send({bytes});
  // What is not whole ends here: nobody waits for more.
  if (!whole) client.HalfClose();
  const std::vector<Asked> asked = AskedIn(bytes);
  client.Read(asked, !whole);
  const std::vector<unsigned> statuses = client.statuses();
  const bool says_close = client.says_close();
  if (whole && client.may_follow()) stage.AskCanary(client, problems);
  client.Reset();
  stage.AskCanary(problems);
  const Seen seen = stage.Observe();
  CheckStatuses(statuses, says_close, seen.requests.size(), problems);
  if (statuses.size() > asked.size()) problems.push_back("more answers than requests");
  if (client.cut()) problems.push_back("an answer is cut");
  if (seen.requests.size() > oracle.messages.size()) {
    problems.push_back("a complete request reaches the backend: the oracle says: " +
                       oracle.problem);
    return Report(problems, bytes, client, seen);
  }
  for (std::size_t i = 0; i < seen.requests.size(); ++i) {
    const Message& expected = oracle.messages[i];
    const Message& got = seen.requests[i];
    if (got.method != expected.method || got.target != OriginForm(expected)) {
      problems.push_back("\"" + Escape(expected.start) + "\" passes as \"" + Escape(got.start) +
                         '"');
    }
    CheckSame("request's", expected, got, problems);
  }
  if (seen.requests.size() < oracle.messages.size()) {
    problems.push_back("a valid request does not reach the backend");
  }
  if (whole && seen.partial) problems.push_back("a request reaches the backend in part");
  return Report(problems, bytes, client, seen);
}

// What a reader of the backend's bytes makes of them.
struct Reading {
  std::vector<unsigned> interim;
  strict::Parsed final;
  bool excess = false;      // bytes behind the final answer
  bool head_ended = false;  // a reader that judges only whole heads has seen one, sound or not
};

Reading ReadAnswer(std::string_view bytes, bool ended) {
  Reading reading;
  for (;;) {
    reading.final = strict::ParseResponse(bytes, "GET", ended);
    const strict::Parsed& parsed = reading.final;
    reading.head_ended = bytes.find("\r\n\r\n") != std::string_view::npos;
    if (parsed.outcome != Outcome::kComplete) return reading;
    bytes.remove_prefix(parsed.size);
    if (parsed.message.status >= 200) break;
    reading.interim.push_back(parsed.message.status);
  }
  reading.excess = !bytes.empty();
  return reading;
}

void CheckAnswer(const Reading& oracle, const Client& client, std::vector<std::string>& problems) {
  const Message& expected = oracle.final.message;
  if (oracle.final.outcome == Outcome::kComplete) {
    if (client.statuses() != std::vector<unsigned>{expected.status} ||
        client.interim() != oracle.interim) {
      problems.push_back("a valid answer does not reach the client");
      return;
    }
    CheckSame("answer's", expected, client.answers().front(), problems);
    return;
  }
  if (client.answers().empty()) {
    if (!client.ended()) problems.push_back("neither an answer nor the end of the connection");
    return;
  }
  if (client.statuses() != std::vector<unsigned>{502}) {
    problems.push_back("a whole answer reaches the client: the oracle says: " +
                       (oracle.final.problem.empty() ? "it is incomplete" : oracle.final.problem));
  }
}

std::string PlayResponse(Stage& stage, const std::string& bytes) {
  Reading oracle = ReadAnswer(bytes, false);
  Reading lenient = ReadAnswer(WithoutBlanksBeforeColons(bytes), false);
  auto then = RecordingBackend::Then::kKeep;
  if (lenient.final.outcome == Outcome::kIncomplete || !oracle.head_ended) {
    then = RecordingBackend::Then::kClose;
    oracle = ReadAnswer(bytes, true);
    lenient = ReadAnswer(WithoutBlanksBeforeColons(bytes), true);
  }
  std::vector<std::string> problems;
  stage.backend().CloseAll();
  stage.backend().SetAnswer(bytes, then);
  Client client = stage.Connect();
  client.Send({"GET /answer HTTP/1.1\r\nHost: example.test\r\nTE: trailers\r\n\r\n"});
  client.Read({Asked()}, false);
  if (oracle.final.outcome == Outcome::kMalformed && !client.answers().empty() &&
      client.answers().front().status < 500) {
    oracle = lenient;
  }
  CheckAnswer(oracle, client, problems);
  // Bytes behind the answer have arrived as well.
  stage.Collect();
  const std::string next =
      client.may_follow() ? stage.AskCanary(client, problems) : stage.AskCanary(problems);
  client.Reset();
  stage.AskCanary(problems);
  const Seen seen = stage.Observe();
  const auto found = seen.canaries.find(next);
  if (seen.requests.size() != 1) {
    problems.push_back("the request reaches the backend " + std::to_string(seen.requests.size()) +
                       " times");
  } else if (found != seen.canaries.end()) {
    const bool sound = oracle.final.outcome == Outcome::kComplete && !oracle.excess &&
                       then == RecordingBackend::Then::kKeep;
    const bool reused = found->second == seen.connections.front();
    if (reused && !sound) problems.push_back("an unsound connection is used again");
    if (!reused && sound) problems.push_back("a sound connection is not used again");
  }
  return Report(problems, bytes, client, seen);
}

class InsertionTest : public ::testing::TestWithParam<ValidMessage> {
 public:
  static void SetUpTestSuite() { stage_ = std::make_unique<Stage>(); }
  static void TearDownTestSuite() { stage_.reset(); }

 protected:
  // Each byte inserted before each place of `valid` and at its end, or put in the place of what is
  // there (`replaced` is 1).
  template <class Play>
  static void PlayAll(const std::string& valid, std::size_t replaced, Play play) {
    const std::string untouched = play(*stage_, valid);
    if (!untouched.empty()) ADD_FAILURE() << "without a change:\n" << untouched;
    std::size_t plays = 0;
    std::size_t failures = 0;
    for (std::size_t offset = 0; offset + replaced <= valid.size(); ++offset) {
      for (const char byte : kBytes) {
        std::string bytes = valid;
        bytes.replace(offset, replaced, 1, byte);
        ++plays;
        const std::string report = play(*stage_, bytes);
        if (report.empty()) continue;
        if (++failures > kShownFailures) continue;
        ADD_FAILURE() << '"' << Escape({&byte, 1}) << "\" at " << offset << ":\n" << report;
      }
    }
    EXPECT_EQ(failures, 0u) << "of " << plays;
  }

 private:
  static inline std::unique_ptr<Stage> stage_;
};

class RequestInsertionTest : public InsertionTest {};
class ResponseInsertionTest : public InsertionTest {};

TEST_P(RequestInsertionTest, AByteTooManyBreaksNothing) {
  PlayAll(GetParam().bytes, 0, PlayRequest);
}
TEST_P(RequestInsertionTest, AnotherByteBreaksNothing) {
  PlayAll(GetParam().bytes, 1, PlayRequest);
}
TEST_P(ResponseInsertionTest, AByteTooManyBreaksNothing) {
  PlayAll(GetParam().bytes, 0, PlayResponse);
}
TEST_P(ResponseInsertionTest, AnotherByteBreaksNothing) {
  PlayAll(GetParam().bytes, 1, PlayResponse);
}

// For gtest's messages.
void PrintTo(const ValidMessage& message, std::ostream* out) { *out << message.name; }

std::string NameOfMessage(const ::testing::TestParamInfo<ValidMessage>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Valid, RequestInsertionTest, ::testing::ValuesIn(ValidRequests()),
                         NameOfMessage);
INSTANTIATE_TEST_SUITE_P(Valid, ResponseInsertionTest, ::testing::ValuesIn(ValidResponses()),
                         NameOfMessage);

}  // namespace
}  // namespace remora::http1
