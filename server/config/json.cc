#include "server/config/json.h"

#include <string_view>

#include "proxy/base/log.h"

namespace remora::server {
namespace {

std::string JsonText(std::string_view text) { return "\"" + log::JsonEscape(text) + "\""; }

void Append(const ShownValue& value, const std::string& indent, std::string& json) {
  const std::string deeper = indent + "  ";
  std::string_view separator = "\n";
  switch (value.kind) {
    case ShownValue::Kind::kText:
      json += JsonText(value.text);
      return;
    case ShownValue::Kind::kLiteral:
      json += value.text;
      return;
    case ShownValue::Kind::kMap:
      if (value.entries.empty()) {
        json += "{}";
        return;
      }
      json += "{";
      for (const auto& [key, entry] : value.entries) {
        json.append(separator).append(deeper).append(JsonText(key)).append(": ");
        Append(entry, deeper, json);
        separator = ",\n";
      }
      json += "\n" + indent + "}";
      return;
    case ShownValue::Kind::kList:
      if (value.elements.empty()) {
        json += "[]";
        return;
      }
      json += "[";
      for (const ShownValue& element : value.elements) {
        json.append(separator).append(deeper);
        Append(element, deeper, json);
        separator = ",\n";
      }
      json += "\n" + indent + "]";
      return;
  }
}

}  // namespace

std::string RenderJson(const ShownValue& value) {
  std::string json;
  Append(value, "", json);
  return json;
}

}  // namespace remora::server
