#include "tests/fuzz/forwarding.h"

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "tests/fuzz/evidence.h"

namespace remora::fuzz {
namespace {

using strict::Field;
using strict::Framing;
using strict::Message;

using Names = std::span<const std::string_view>;

bool IsOneOf(std::string_view name, Names names) {
  return std::ranges::find(names, Lower(name)) != names.end();
}

// Each hop has its own, or the proxy writes them itself.
constexpr std::string_view kOfARequest[] = {
    "connection",        "forwarded",         "host",        "http2-settings",
    "keep-alive",        "proxy-connection",  "te",          "trailer",
    "transfer-encoding", "upgrade",           "via",         "x-forwarded-for",
    "x-forwarded-host",  "x-forwarded-proto", "x-request-id"};
constexpr std::string_view kOfAResponse[] = {
    "connection", "date",    "http2-settings",    "keep-alive", "proxy-connection",
    "te",         "trailer", "transfer-encoding", "upgrade",    "x-request-id"};
// What Connection can't take away, or what is an option and no field.
constexpr std::string_view kNotNamed[] = {"close",   "content-length",   "host", "keep-alive", "te",
                                          "upgrade", "transfer-encoding"};

std::vector<std::string> OptionsOf(const Message& message) {
  std::vector<std::string> options;
  for (const Field& field : message.fields) {
    if (Lower(field.name) != "connection") continue;
    std::string option;
    for (const char c : field.value + ",") {
      if (c == ',') {
        options.push_back(Lower(option));
        option.clear();
      } else if (c != ' ' && c != '\t') {
        option += c;
      }
    }
  }
  return options;
}

std::vector<Field> Named(const Message& message, std::string_view name) {
  std::vector<Field> named;
  std::ranges::copy_if(message.fields, std::back_inserter(named),
                       [&](const Field& field) { return Lower(field.name) == name; });
  return named;
}

template <class Stops>
std::vector<Field> Without(const Message& message, Stops stops) {
  std::vector<Field> rest;
  std::ranges::copy_if(message.fields, std::back_inserter(rest),
                       [&](const Field& field) { return !stops(Lower(field.name)); });
  return rest;
}

bool NamedByConnection(const std::vector<std::string>& options, const std::string& name) {
  return std::ranges::find(options, name) != options.end() && !IsOneOf(name, kNotNamed);
}

std::string Show(const std::vector<Field>& fields) {
  std::string text;
  for (const Field& field : fields) text += "[" + field.name + ": " + field.value + "]";
  return text;
}

std::string Differ(std::string_view what, std::string_view expected, std::string_view got) {
  return std::string(what) + ": expected \"" + Escape(expected) + "\", got \"" + Escape(got) + "\"";
}

std::string DiffPassing(const std::vector<Field>& expected, const std::vector<Field>& got) {
  return expected == got ? "" : Differ("fields that pass", Show(expected), Show(got));
}

std::string_view AfterScheme(std::string_view target) {
  return target.substr(std::string_view("http://").size());
}

bool IsAbsolute(std::string_view target) { return Lower(target.substr(0, 7)) == "http://"; }

std::string ExpectedHost(const Message& sent, const Route& route) {
  if (!route.host.empty()) return std::string(route.host);
  if (IsAbsolute(sent.target)) {
    const std::string_view rest = AfterScheme(sent.target);
    return std::string(rest.substr(0, rest.find_first_of("/?")));
  }
  return sent.Get("host").value_or("");
}

std::string DiffHopByHop(const Message& sent, const Message& got) {
  for (const std::string_view name :
       {"forwarded", "http2-settings", "keep-alive", "proxy-connection"}) {
    if (got.Get(name)) return std::string(name) + " has passed";
  }
  for (const std::string& option : OptionsOf(got)) {
    if (option != "te" && option != "upgrade") return "the Connection option " + option;
  }
  const auto te = got.Get("te");
  if (te !=
      (sent.HasToken("te", "trailers") ? std::optional<std::string>("trailers") : std::nullopt)) {
    return Differ("TE", sent.Get("te").value_or(""), te.value_or("-"));
  }
  const auto upgrade = got.Get("upgrade");
  if (upgrade && (*upgrade != "websocket" || !sent.HasToken("upgrade", "websocket") ||
                  !sent.HasToken("connection", "upgrade"))) {
    return Differ("Upgrade", sent.Get("upgrade").value_or(""), *upgrade);
  }
  if (got.HasToken("connection", "upgrade") != upgrade.has_value()) return "Upgrade by halves";
  if (got.HasToken("connection", "te") != te.has_value()) return "TE by halves";
  return {};
}

// Fields that the proxy writes itself: one of each, whatever the client sent.
std::string DiffOwnFields(const Message& sent, const Message& got) {
  for (const std::string_view name : {"x-forwarded-for", "x-forwarded-proto", "x-request-id"}) {
    if (Named(got, name).size() != 1) return "not one " + std::string(name);
  }
  if (Named(got, "x-forwarded-host").size() > 1) return "X-Forwarded-Host twice";
  std::vector<Field> via = Named(got, "via");
  if (via.empty()) return "no Via";
  via.pop_back();
  std::vector<Field> expected = Named(sent, "via");
  const auto options = OptionsOf(sent);
  if (NamedByConnection(options, "via")) expected.clear();
  if (via != expected) return Differ("Via", Show(expected), Show(via));
  if (got.Get("trailer") && got.framing != Framing::kChunked) return "Trailer without chunks";
  return {};
}

}  // namespace

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string ForwardedTarget(const Message& sent, std::string_view prefix) {
  std::string_view path = sent.target;
  if (IsAbsolute(path)) {
    path = AfterScheme(path);
    path.remove_prefix(std::min(path.find_first_of("/?"), path.size()));
    // RFC 9112 section 3.2.4: asked of the server as a whole.
    if (path.empty() && sent.method == "OPTIONS") path = "*";
  }
  if (path == "*") return "*";
  return std::string(prefix) + (path.starts_with('/') ? "" : "/") + std::string(path);
}

std::string DiffRequest(const Message& sent, const Message& got, const Route& route) {
  if (got.method != sent.method) return Differ("method", sent.method, got.method);
  const std::string target = ForwardedTarget(sent, route.prefix);
  if (got.target != target) return Differ("target", target, got.target);
  if (got.minor_version != 1) return "not HTTP/1.1";
  if (got.framing != sent.framing) return "the framing has changed";
  const std::string host = ExpectedHost(sent, route);
  // A name is the same in any case; the client's spelling stays.
  if (Lower(host) != Lower(got.Get("host").value_or(""))) {
    return Differ("Host", host, got.Get("host").value_or(""));
  }
  const auto options = OptionsOf(sent);
  const bool is_options = sent.method == "OPTIONS";
  const auto passing = Without(sent, [&](const std::string& name) {
    return IsOneOf(name, kOfARequest) || NamedByConnection(options, name) ||
           (name == "max-forwards" && is_options) || (name == "expect" && sent.minor_version == 0);
  });
  const auto passed = Without(got, [&](const std::string& name) {
    return IsOneOf(name, kOfARequest) || (name == "max-forwards" && is_options);
  });
  std::string problem = DiffPassing(passing, passed);
  if (problem.empty()) problem = DiffHopByHop(sent, got);
  if (problem.empty()) problem = DiffOwnFields(sent, got);
  return problem;
}

std::string DiffResponse(const Message& sent, const Message& got) {
  if (got.status != sent.status) {
    return Differ("status", std::to_string(sent.status), std::to_string(got.status));
  }
  if (got.reason != sent.reason) return Differ("reason", sent.reason, got.reason);
  if (got.minor_version != 1) return "not HTTP/1.1";
  const auto options = OptionsOf(sent);
  const auto passing = Without(sent, [&](const std::string& name) {
    return IsOneOf(name, kOfAResponse) || NamedByConnection(options, name);
  });
  const auto passed =
      Without(got, [](const std::string& name) { return IsOneOf(name, kOfAResponse); });
  if (std::string problem = DiffPassing(passing, passed); !problem.empty()) return problem;
  for (const std::string_view name : {"http2-settings", "keep-alive", "proxy-connection", "te"}) {
    if (got.Get(name)) return std::string(name) + " has passed";
  }
  for (const std::string& option : OptionsOf(got)) {
    if (option != "close" && !(option == "upgrade" && got.status == 101)) {
      return "the Connection option " + option;
    }
  }
  if (got.Get("upgrade") && got.status != 101) return "Upgrade without 101";
  const bool interim = sent.status < 200 && sent.status != 101;
  if (interim) return {};
  if (Named(got, "x-request-id").size() != 1) return "not one X-Request-ID";
  const auto dates = Named(sent, "date");
  if (!dates.empty() && !NamedByConnection(options, "date")) {
    return dates == Named(got, "date") ? "" : "Date has changed";
  }
  return Named(got, "date").size() <= 1 ? "" : "Date twice";
}

std::string DiffTrailers(const Message& sent, const Message& got) {
  auto next = sent.trailers.begin();
  for (const Field& field : got.trailers) {
    next = std::find(next, sent.trailers.end(), field);
    if (next == sent.trailers.end()) return "the trailer [" + field.name + "] was not sent";
    ++next;
  }
  return {};
}

bool IsForbiddenTrailer(const strict::Parsed& parsed) {
  return parsed.outcome == strict::Outcome::kMalformed && parsed.head_complete &&
         parsed.problem.starts_with("a field that may not be a trailer");
}

bool IsStoppedFraming(const strict::Parsed& parsed) {
  return parsed.problem.starts_with("a framing field in 1xx or 204");
}

bool HasOddConnection(const Message& message) {
  const auto is_token_byte = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  };
  const auto is_odd = [&](std::string_view value) {
    bool token = false;  // the member has begun
    bool ended = false;  // and a blank stands behind it
    for (const char c : value) {
      const bool blank = c == ' ' || c == '\t';
      if (!blank && c != ',' && (!is_token_byte(c) || ended)) return true;
      ended = blank && token;
      token = c != ',' && (token || !blank);
    }
    return false;
  };
  return std::ranges::any_of(message.fields, [&](const Field& field) {
    const std::string name = Lower(field.name);
    return (name == "connection" || name == "proxy-connection") && is_odd(field.value);
  });
}

}  // namespace remora::fuzz
