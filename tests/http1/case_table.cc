#include "tests/http1/case_table.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <initializer_list>
#include <set>
#include <stdexcept>

namespace remora::http1 {
namespace {

std::runtime_error At(const YAML::Node& node, const std::string& problem) {
  return std::runtime_error("line " + std::to_string(node.Mark().line + 1) + ": " + problem);
}

// A code point up to U+00FF stands for one byte; yaml-cpp hands it out as UTF-8.
std::string BytesOf(const YAML::Node& node) {
  const auto text = node.as<std::string>();
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      bytes += text[i];
    } else if ((byte == 0xc2 || byte == 0xc3) && i + 1 < text.size()) {
      const auto next = static_cast<unsigned char>(text[++i]);
      bytes += static_cast<char>((byte & 3) << 6 | (next & 0x3f));
    } else {
      throw At(node, "a character above U+00FF");
    }
  }
  return bytes;
}

void CheckKeys(const YAML::Node& map, std::initializer_list<std::string_view> known) {
  if (!map.IsMap()) throw At(map, "not a map");
  std::set<std::string> seen;
  for (const auto& entry : map) {
    const auto key = entry.first.as<std::string>();
    if (std::ranges::find(known, key) == known.end()) throw At(map, "unknown key " + key);
    if (!seen.insert(key).second) throw At(map, "key " + key + " twice");
  }
}

// A string, or a list of strings and {repeat, times}.
std::string ReadBytes(const YAML::Node& node) {
  if (!node.IsDefined() || node.IsNull()) throw At(node, "bytes are missing");
  if (node.IsScalar()) return BytesOf(node);
  std::string bytes;
  for (const YAML::Node& part : node) {
    if (part.IsScalar()) {
      bytes += BytesOf(part);
      continue;
    }
    CheckKeys(part, {"repeat", "times"});
    const std::string unit = BytesOf(part["repeat"]);
    for (auto left = part["times"].as<unsigned>(); left > 0; --left) bytes += unit;
  }
  return bytes;
}

std::vector<std::string> ReadLines(const YAML::Node& node) {
  std::vector<std::string> lines;
  if (!node.IsDefined()) return lines;
  if (!node.IsSequence()) throw At(node, "not a list");
  for (const YAML::Node& line : node) lines.push_back(ReadBytes(line));
  return lines;
}

std::string TextOr(const YAML::Node& node, std::string fallback) {
  return node.IsDefined() ? node.as<std::string>() : std::move(fallback);
}

bool FlagOr(const YAML::Node& node, bool fallback) {
  return node.IsDefined() ? node.as<bool>() : fallback;
}

CaseOrigin ReadOrigin(const YAML::Node& node) {
  CaseOrigin origin{.name = node["name"].as<std::string>(),
                    .rfc = node["rfc"].as<std::string>(),
                    .level = node["level"].as<std::string>(),
                    .why = TextOr(node["why"], "")};
  const bool kebab = !origin.name.empty() && std::ranges::all_of(origin.name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (!kebab) throw At(node, "the name " + origin.name + " is not in kebab-case");
  if (origin.level != "must" && origin.level != "should" && origin.level != "policy") {
    throw At(node, "unknown level " + origin.level);
  }
  return origin;
}

ExpectedMessage ReadMessage(const YAML::Node& node) {
  ExpectedMessage message;
  message.has = ReadLines(node["has"]);
  message.lacks = ReadLines(node["lacks"]);
  message.trailers = ReadLines(node["trailers"]);
  if (node["body"].IsDefined()) message.body = ReadBytes(node["body"]);
  return message;
}

std::vector<unsigned> ReadStatuses(const YAML::Node& node) {
  std::vector<unsigned> statuses;
  if (!node.IsSequence()) throw At(node, "not a list of statuses");
  for (const YAML::Node& status : node) statuses.push_back(status.as<unsigned>());
  return statuses;
}

void ReadForwarded(const YAML::Node& expect, RequestCase& read) {
  for (const YAML::Node& request : expect["forwarded"]) {
    CheckKeys(request, {"line", "has", "lacks", "body", "trailers"});
    ExpectedRequest expected{ReadMessage(request), ReadBytes(request["line"])};
    if (!expected.body) expected.body = "";
    read.forwarded.push_back(std::move(expected));
  }
  read.closed = FlagOr(expect["closed"], false);
  read.answers = expect["answers"].IsDefined() ? ReadStatuses(expect["answers"])
                                               : std::vector<unsigned>(read.forwarded.size(), 200);
}

RequestCase ReadCase(const YAML::Node& node, RequestCase*) {
  CheckKeys(node, {"name", "rfc", "level", "why", "send", "end", "expect"});
  RequestCase read;
  static_cast<CaseOrigin&>(read) = ReadOrigin(node);
  read.send = ReadBytes(node["send"]);
  const std::string end = TextOr(node["end"], "open");
  if (end != "open" && end != "half-close") throw At(node, "unknown end " + end);
  read.half_close = end == "half-close";
  const YAML::Node expect = node["expect"];
  CheckKeys(expect, {"refused", "broken", "closed", "forwarded", "answers"});
  const bool refused = expect["refused"].IsDefined();
  const bool broken = expect["broken"].IsDefined();
  if (expect["forwarded"].IsDefined()) {
    if (refused || broken) throw At(expect, "more than one form");
    ReadForwarded(expect, read);
    return read;
  }
  if (expect["answers"].IsDefined()) throw At(expect, "answers without forwarded");
  if (refused + broken + expect["closed"].IsDefined() != 1) throw At(expect, "not one form");
  read.closed = true;
  if (refused || broken) {
    read.answers = {expect[refused ? "refused" : "broken"].as<unsigned>()};
  } else if (!expect["closed"].as<bool>()) {
    throw At(expect, "closed: false alone says nothing");
  }
  read.refused = refused;
  if (!refused) read.kind = RequestCase::Kind::kBroken;
  return read;
}

ResponseCase ReadCase(const YAML::Node& node, ResponseCase*) {
  using Then = strict::RecordingBackend::Then;
  CheckKeys(node, {"name", "rfc", "level", "why", "request", "answer", "then", "expect"});
  ResponseCase read;
  static_cast<CaseOrigin&>(read) = ReadOrigin(node);
  read.request = node["request"].IsDefined() ? ReadBytes(node["request"])
                                             : "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  read.answer = ReadBytes(node["answer"]);
  const std::string then = TextOr(node["then"], "keep");
  if (then != "keep" && then != "close" && then != "reset") throw At(node, "unknown then " + then);
  read.then = then == "keep" ? Then::kKeep : then == "close" ? Then::kClose : Then::kReset;
  const YAML::Node expect = node["expect"];
  CheckKeys(expect,
            {"status", "interim", "has", "lacks", "body", "trailers", "cut", "closed", "reused"});
  read.status = expect["status"].as<unsigned>();
  if (expect["interim"].IsDefined()) read.interim = ReadStatuses(expect["interim"]);
  read.message = ReadMessage(expect);
  read.cut = FlagOr(expect["cut"], false);
  // An error of the proxy's own has its own body, and what is cut arrives in part.
  if (!read.message.body && !read.cut && read.status != 502) read.message.body = "";
  if (expect["closed"].IsDefined()) read.closed = expect["closed"].as<bool>();
  if (!expect["reused"].IsDefined()) throw At(expect, "reused is not said");
  read.reused = expect["reused"].as<bool>();
  return read;
}

template <class Case>
CaseTable<Case> ReadTable(const std::string& file) {
  CaseTable<Case> table;
  std::set<std::string> names;
  try {
    const YAML::Node root = YAML::LoadFile(REMORA_HTTP1_CASES + file);
    if (!root.IsSequence()) throw At(root, "not a list of cases");
    for (const YAML::Node& node : root) {
      try {
        Case read = ReadCase(node, static_cast<Case*>(nullptr));
        if (!names.insert(read.name).second) throw At(node, "the name " + read.name + " twice");
        table.cases.push_back(std::move(read));
      } catch (const std::exception& error) {
        table.problems.push_back(file + ": the case at line " +
                                 std::to_string(node.Mark().line + 1) + ": " + error.what());
      }
    }
  } catch (const std::exception& error) {
    table.problems.push_back(file + ": " + error.what());
  }
  return table;
}

}  // namespace

CaseTable<RequestCase> ReadRequestCases() { return ReadTable<RequestCase>("requests.yaml"); }
CaseTable<ResponseCase> ReadResponseCases() { return ReadTable<ResponseCase>("responses.yaml"); }

}  // namespace remora::http1
