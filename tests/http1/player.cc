#include "tests/http1/player.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <random>
#include <set>
#include <utility>

namespace remora::http1 {

using strict::Message;

namespace {

constexpr std::size_t kSingleBytes = 2048;
constexpr std::size_t kManyBytes = 8192;
constexpr std::size_t kMostCuts = 8;

// FNV-1a: the same on every machine.
std::uint32_t SeedOf(std::string_view text) {
  std::uint32_t hash = 2166136261u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

// `entry`: a whole line, or a name (in any case) whose value does not matter.
bool Matches(std::string_view entry, std::string_view line) {
  if (entry.contains(':')) return entry == line;
  const std::string_view name = line.substr(0, line.find(':'));
  return std::ranges::equal(name, entry, [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  });
}

std::string Join(const std::vector<unsigned>& statuses) {
  std::string text;
  for (const unsigned status : statuses)
    text += (text.empty() ? "" : ", ") + std::to_string(status);
  return '[' + text + ']';
}

std::vector<std::string> LinesOf(const std::vector<strict::Field>& fields) {
  std::vector<std::string> lines;
  for (const strict::Field& field : fields) lines.push_back(LineOf(field));
  return lines;
}

std::string Quoted(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "\"" : ", \"") + Escape(line) + '"';
  return '[' + text + ']';
}

void CheckAnswers(const RequestCase& expected, const Client& client,
                  std::vector<std::string>& problems) {
  const bool broken = expected.kind == RequestCase::Kind::kBroken;
  const std::vector<unsigned> got = client.statuses();
  if (got != expected.answers && !(broken && got.empty())) {
    problems.push_back("expected the answers " + Join(expected.answers) + ", got " + Join(got));
  }
  const std::vector<unsigned> interim = client.interim();
  if (std::ranges::any_of(interim, [](unsigned status) { return status != 100; })) {
    problems.push_back("interim answers that nobody sent: " + Join(interim));
  }
  if (client.cut()) problems.push_back("an answer is cut");
  if (expected.closed) {
    if (!got.empty() && !client.says_close()) {
      problems.push_back("the last answer does not say Connection: close");
    } else if (!client.ended() && client.problems().empty()) {
      problems.push_back("the connection stays open");
    }
  } else if (!expected.half_close && (client.ended() || client.says_close())) {
    problems.push_back("the connection ends");
  }
}

void CheckRequests(const RequestCase& expected, const Seen& seen,
                   std::vector<std::string>& problems) {
  if (seen.requests.size() != expected.forwarded.size()) {
    problems.push_back("expected " + std::to_string(expected.forwarded.size()) +
                       " requests at the backend, there are " +
                       std::to_string(seen.requests.size()));
  }
  const std::size_t count = std::min(seen.requests.size(), expected.forwarded.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::string who = "request " + std::to_string(i + 1) + " at the backend";
    if (seen.requests[i].start != expected.forwarded[i].line) {
      problems.push_back(who + " is \"" + Escape(seen.requests[i].start) + "\", expected \"" +
                         Escape(expected.forwarded[i].line) + '"');
    }
    CheckMessage(who, expected.forwarded[i], seen.requests[i], problems);
  }
  // A pipeline may break or end behind its first requests as well.
  const bool may_break = expected.kind == RequestCase::Kind::kBroken || expected.half_close ||
                         expected.answers.size() > expected.forwarded.size();
  if (seen.partial && (expected.refused || !may_break)) {
    problems.push_back("the backend sees a part of a request that should not have reached it");
  }
}

void CheckAnswer(const ResponseCase& expected, const Client& client,
                 std::vector<std::string>& problems) {
  if (client.interim() != expected.interim) {
    problems.push_back("expected the interim answers " + Join(expected.interim) + ", got " +
                       Join(client.interim()));
  }
  std::vector<Message> finals = client.answers();
  if (client.cut()) finals.push_back(*client.cut());
  if (finals.size() != 1) {
    problems.push_back("expected one answer, got " + std::to_string(finals.size()));
    return;
  }
  const Message& answer = finals.front();
  if (answer.status != expected.status) {
    problems.push_back("expected the status " + std::to_string(expected.status) + ", got " +
                       std::to_string(answer.status));
  }
  if (client.cut().has_value() != expected.cut) {
    problems.push_back(expected.cut ? "the answer should be cut and looks whole"
                                    : "the answer is cut");
  }
  ExpectedMessage message = expected.message;
  if (expected.cut && message.body) {
    if (!message.body->starts_with(answer.body)) {
      problems.push_back("the body \"" + Escape(answer.body) + "\" is no part of \"" +
                         Escape(*message.body) + '"');
    }
    message.body.reset();
  }
  CheckMessage("the answer", message, answer, problems);
  const bool closed = client.ended() || client.says_close();
  if (expected.closed && *expected.closed != closed) {
    problems.push_back(closed ? "the client's connection ends" : "the client's connection lives");
  }
}

}  // namespace

std::string_view NameOf(Way way) {
  switch (way) {
    case Way::kWhole:
      return "whole";
    case Way::kBytes:
      return "bytes";
    case Way::kCuts:
      break;
  }
  return "cuts";
}

std::vector<std::string> CutUp(std::string_view bytes, Way way, std::string_view seed) {
  std::set<std::size_t> cuts;  // before these bytes
  if (way == Way::kBytes) {
    const bool many = bytes.size() > kManyBytes;
    for (std::size_t i = 1; i < bytes.size(); ++i) {
      if (!many || i <= kSingleBytes || i >= bytes.size() - kSingleBytes) cuts.insert(i);
    }
  } else if (way == Way::kCuts && bytes.size() > 1) {
    std::mt19937 random(SeedOf(seed));
    const std::size_t count = 1 + random() % std::min(kMostCuts, bytes.size() - 1);
    while (cuts.size() < count) cuts.insert(1 + random() % (bytes.size() - 1));
  }
  cuts.insert(bytes.size());
  std::vector<std::string> pieces;
  std::size_t begin = 0;
  for (const std::size_t end : cuts) {
    pieces.emplace_back(bytes.substr(begin, end - begin));
    begin = end;
  }
  return pieces;
}

void CheckMessage(std::string_view who, const ExpectedMessage& expected, const Message& message,
                  std::vector<std::string>& problems) {
  const std::string begin(who);
  const std::vector<std::string> lines = LinesOf(message.fields);
  // In the order of the table, as lines may not be swapped either.
  auto from = lines.begin();
  for (const std::string& entry : expected.has) {
    const auto found = std::find_if(from, lines.end(),
                                    [&](const std::string& line) { return Matches(entry, line); });
    if (found == lines.end()) {
      problems.push_back(begin + " lacks \"" + Escape(entry) + "\", or has it too early");
    } else {
      from = std::next(found);
    }
  }
  for (const std::string& entry : expected.lacks) {
    for (const std::string& line : lines) {
      if (Matches(entry, line)) problems.push_back(begin + " has \"" + Escape(line) + '"');
    }
  }
  if (expected.body && *expected.body != message.body) {
    problems.push_back(begin + " has the body \"" + Escape(message.body) + "\", expected \"" +
                       Escape(*expected.body) + '"');
  }
  const std::vector<std::string> trailers = LinesOf(message.trailers);
  if (trailers != expected.trailers) {
    problems.push_back(begin + " has the trailers " + Quoted(trailers) + ", expected " +
                       Quoted(expected.trailers));
  }
}

std::string Report(const std::vector<std::string>& problems, std::string_view sent,
                   const Client& client, const Seen& seen) {
  std::vector<std::string> all = problems;
  all.insert(all.end(), client.problems().begin(), client.problems().end());
  all.insert(all.end(), seen.problems.begin(), seen.problems.end());
  if (all.empty()) return {};
  std::string text;
  for (const std::string& problem : all) text += "- " + problem + '\n';
  text += "  sent:        \"" + Escape(sent) + "\"\n";
  text += "  client read: \"" + Escape(client.bytes()) + "\"\n";
  text += "  backend got: \"" + Escape(seen.bytes) + "\"\n";
  return text;
}

std::string Player::Play(const RequestCase& request_case, Way way) {
  std::vector<std::string> problems;
  Client client = stage_.Connect();
  client.Send(CutUp(request_case.send, way, request_case.name));
  if (request_case.half_close) client.HalfClose();
  std::vector<Asked> asked = AskedIn(request_case.send);
  asked.resize(request_case.answers.size());
  client.Read(asked, request_case.half_close || asked.empty());
  CheckAnswers(request_case, client, problems);
  if (!request_case.half_close && client.may_follow()) stage_.AskCanary(client, problems);
  client.Reset();
  stage_.AskCanary(problems);
  const Seen seen = stage_.Observe();
  CheckRequests(request_case, seen, problems);
  return Report(problems, request_case.send, client, seen);
}

std::string Player::Play(const ResponseCase& response_case, Way way) {
  std::vector<std::string> problems;
  strict::RecordingBackend& backend = stage_.backend();
  backend.CloseAll();
  backend.SetAnswerInPieces(CutUp(response_case.answer, way, response_case.name),
                            response_case.then);
  Client client = stage_.Connect();
  client.Send({response_case.request});
  client.Read({AskedIn(response_case.request).at(0)}, false);
  CheckAnswer(response_case, client, problems);
  // All bytes of the answer are on their way: what is behind its end has arrived as well.
  stage_.Collect();
  const std::string next =
      client.may_follow() ? stage_.AskCanary(client, problems) : stage_.AskCanary(problems);
  client.Reset();
  stage_.AskCanary(problems);
  backend.ClearAnswer();
  const Seen seen = stage_.Observe();
  if (seen.requests.size() != 1 || seen.partial) {
    problems.push_back("the backend sees " + std::to_string(seen.requests.size()) +
                       " requests instead of one");
  } else if (const auto found = seen.canaries.find(next); found != seen.canaries.end()) {
    const bool reused = found->second == seen.connections.front();
    if (reused != response_case.reused) {
      problems.push_back(reused ? "the backend's connection is used again"
                                : "the backend's connection is not used again");
    }
  }
  return Report(problems, response_case.answer, client, seen);
}

}  // namespace remora::http1
