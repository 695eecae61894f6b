#include "cli/output/yaml.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "cli/output/json.h"

namespace remora::cli {
namespace {

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Words that YAML 1.1 or 1.2 reads as something else than text.
bool IsWordOfYaml(std::string_view text) {
  constexpr std::array<std::string_view, 9> kWords = {"true", "false", "yes", "no", "on",
                                                      "off",  "null",  "y",   "n"};
  return std::ranges::any_of(kWords, [&](std::string_view word) {
    return std::ranges::equal(word, text, [](char a, char b) {
      return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
    });
  });
}

// Text that no reader can take for anything else, and that is easier to read without quotes.
bool IsPlain(std::string_view text) {
  if (text.empty() || IsWordOfYaml(text) || text.ends_with(':')) return false;
  if (!IsLetter(text.front()) && text.front() != '/') return false;
  return std::ranges::all_of(text, [](char c) {
    return IsLetter(c) || (c >= '0' && c <= '9') || std::string_view("_./:-[]").contains(c);
  });
}

void Write(const YAML::Node& node, YAML::Emitter& out) {
  switch (node.Type()) {
    case YAML::NodeType::Map:
      if (node.size() == 0) out << YAML::Flow;
      out << YAML::BeginMap;
      for (const auto& entry : node) {
        out << YAML::Key;
        Write(entry.first, out);
        out << YAML::Value;
        Write(entry.second, out);
      }
      out << YAML::EndMap;
      return;
    case YAML::NodeType::Sequence:
      if (node.size() == 0) out << YAML::Flow;
      out << YAML::BeginSeq;
      for (const auto& item : node) Write(item, out);
      out << YAML::EndSeq;
      return;
    case YAML::NodeType::Scalar:
      // "!" is what the reader makes of quotes.
      if (node.Tag() == "!" && !IsPlain(node.Scalar())) out << YAML::DoubleQuoted;
      out << node.Scalar();
      return;
    case YAML::NodeType::Null:
    case YAML::NodeType::Undefined:
      out << YAML::Null;
      return;
  }
}

}  // namespace

std::string ToYaml(const google::protobuf::Message& message) {
  YAML::Emitter out;
  Write(YAML::Load(ToJson(message)), out);  // JSON is YAML
  return std::string(out.c_str()) + "\n";
}

}  // namespace remora::cli
