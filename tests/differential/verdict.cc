#include "tests/differential/verdict.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace remora::differential {
namespace {

using proxy::testing::ReadEnd;
using strict::Field;
using strict::Message;
using strict::Outcome;
using Connection = strict::RecordingBackend::Connection;

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return lower;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const int lower = std::tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string Decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool encoded = text[i] == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 &&
                         HexValue(text[i + 2]) >= 0;
    if (encoded) {
      decoded += static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2]));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

// RFC 3986 section 6: percent-encoding, dot segments; and empty segments as well.
std::string Normalised(std::string_view target) {
  target = target.substr(0, target.find('#'));
  const std::size_t mark = std::min(target.find('?'), target.size());
  const std::string path = Decoded(target.substr(0, mark));
  std::vector<std::string_view> segments;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view segment = std::string_view(path).substr(begin, end - begin);
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else if (!segment.empty() && segment != ".") {
      segments.push_back(segment);
    }
    begin = end + 1;
  }
  std::string normalised;
  for (const std::string_view segment : segments) normalised.append("/").append(segment);
  return normalised + Decoded(target.substr(mark));
}

std::string PathOf(const Message& request, TargetRule rule) {
  std::string_view target = request.target;
  const std::size_t scheme = target.find("://");
  if (!target.starts_with('/') && scheme != std::string_view::npos) {
    const std::string_view rest = target.substr(scheme + 3);
    const std::size_t end = rest.find_first_of("/?");
    target = end == std::string_view::npos ? std::string_view() : rest.substr(end);
    if (target.empty() && request.method == "OPTIONS") return "*";
  }
  if (rule == TargetRule::kNormalised) return Normalised(target);
  return target.starts_with('/') || target == "*" ? std::string(target) : "/" + std::string(target);
}

bool Same(const Message& sent, const Message& arrived, TargetRule rule) {
  return sent.method == arrived.method && sent.body == arrived.body &&
         PathOf(sent, rule) == PathOf(arrived, rule);
}

std::string Shown(const Message& request) {
  std::string text = Escaped(request.start);
  if (!request.body.empty()) {
    text += " with the body \"" + Escaped(request.body.substr(0, 200)) + "\"";
  }
  return text;
}

// What proxies add or write anew.
bool MayBeAdded(std::string_view name) {
  constexpr std::array<std::string_view, 15> kNames = {"host",
                                                       "connection",
                                                       "content-length",
                                                       "transfer-encoding",
                                                       "te",
                                                       "upgrade",
                                                       "via",
                                                       "x-forwarded-for",
                                                       "x-forwarded-host",
                                                       "x-request-id",
                                                       "x-forwarded-proto",
                                                       "x-forwarded-server",
                                                       "keep-alive",
                                                       "max-forwards",
                                                       "forwarded"};
  return std::ranges::find(kNames, name) != kNames.end();
}

// The first field of `arrived` that was not in `sent`; empty if there is none.
std::string ForeignField(const std::vector<Field>& sent, const std::vector<Field>& arrived) {
  for (const Field& field : arrived) {
    const std::string name = Lower(field.name);
    if (MayBeAdded(name)) continue;
    const bool known = std::ranges::any_of(sent, [&](const Field& other) {
      return Lower(other.name) == name && other.value == field.value;
    });
    if (!known) return Escaped(field.name + ": " + field.value);
  }
  return {};
}

std::string_view Name(ReadEnd end) {
  switch (end) {
    case ReadEnd::kEnd:
      return "closed";
    case ReadEnd::kReset:
      return "reset";
    case ReadEnd::kBytes:
    case ReadEnd::kTimeout:
      break;
  }
  return "open";
}

void JudgeAnswers(const Reading& reading, const Play& play, Verdict& verdict) {
  const Answers answers = ReadAnswers(play.answers, MethodsDue(reading));
  for (const Message& answer : answers.messages) verdict.statuses.push_back(answer.status);
  if (!answers.sound) verdict.answers_problem = answers.problem;
  const std::size_t most = reading.messages.size() + (reading.rest == Outcome::kComplete ? 0 : 1);
  if (answers.messages.size() > most) verdict.answers_problem = "more answers than requests";
}

void Accuse(std::string_view what, Verdict& verdict) {
  if (!verdict.why.empty()) verdict.why += "; ";
  verdict.why += what;
}

// Takes each request that arrived off the list of those that were sent.
class Matcher {
 public:
  Matcher(const Reading& reading, TargetRule rule)
      : reading_(reading), rule_(rule), taken_(reading.messages.size()) {}

  void Match(const Message& arrived, Verdict& verdict) {
    ++verdict.arrived;
    for (std::size_t i = 0; i < reading_.messages.size(); ++i) {
      const Message& sent = reading_.messages[i];
      if (taken_[i] || !Same(sent, arrived, rule_)) continue;
      taken_[i] = true;
      if (i >= reading_.allowed())
        Accuse("a request behind the last one: " + Shown(arrived), verdict);
      if (verdict.foreign_field.empty()) {
        verdict.foreign_field = ForeignField(sent.fields, arrived.fields);
      }
      if (verdict.foreign_field.empty()) {
        verdict.foreign_field = ForeignField(sent.trailers, arrived.trailers);
      }
      return;
    }
    Accuse("a request that the client did not send: " + Shown(arrived), verdict);
  }

  bool AllDue() const {
    return std::all_of(taken_.begin(), taken_.begin() + static_cast<std::ptrdiff_t>(reading_.due()),
                       [](bool taken) { return taken; });
  }

 private:
  const Reading& reading_;
  const TargetRule rule_;
  std::vector<bool> taken_;
};

}  // namespace

Verdict Judge(const Reading& reading, const Play& play, TargetRule rule) {
  Verdict verdict;
  verdict.end = Name(play.end);
  JudgeAnswers(reading, play, verdict);
  Matcher matcher(reading, rule);
  bool partial = false;
  for (const Connection& connection : play.arrived) {
    for (const Message& request : connection.requests) matcher.Match(request, verdict);
    if (!connection.problem.empty()) {
      verdict.malformed_at_backend = true;
      Accuse("malformed bytes: " + connection.problem, verdict);
    } else if (connection.partial && !connection.bytes.empty()) {
      partial = true;
    }
  }
  // The beginning of a request is no harm unless it is none of the client's.
  if (partial && matcher.AllDue() && reading.rest == Outcome::kMalformed &&
      !reading.rest_has_head) {
    Accuse("the beginning of a request that the client did not send", verdict);
  }
  if (!verdict.why.empty()) {
    verdict.kind = Kind::kLetThrough;
  } else if (matcher.AllDue()) {
    verdict.kind = Kind::kWell;
  }
  return verdict;
}

}  // namespace remora::differential
