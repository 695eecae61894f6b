#include <string>
#include <string_view>
#include <utility>

#include "server/config/json.h"
#include "server/config/print.h"
#include "server/config/schema.h"

namespace remora::server {
namespace {

using Kind = ShownValue::Kind;
using Entries = std::vector<Entry<std::string, ShownValue>>;

ShownValue Map(Entries entries) { return {.kind = Kind::kMap, .entries = std::move(entries)}; }

ShownValue Texts(const std::vector<std::string_view>& texts) {
  ShownValue list{.kind = Kind::kList};
  for (const std::string_view text : texts) list.elements.push_back(ShownText(std::string(text)));
  return list;
}

ShownValue Type(std::string_view type) { return Map({{"type", ShownText(std::string(type))}}); }

ShownValue Pattern(std::string_view pattern) {
  return Map({{"type", ShownText("string")}, {"pattern", ShownText(std::string(pattern))}});
}

ShownValue Whole(std::uint64_t least, std::uint64_t most) {
  return Map({{"type", ShownText("integer")},
              {"minimum", ShownLiteral(std::to_string(least))},
              {"maximum", ShownLiteral(std::to_string(most))}});
}

ShownValue Either(std::vector<ShownValue> forms) {
  ShownValue list{.kind = Kind::kList, .elements = std::move(forms)};
  return Map({{"anyOf", std::move(list)}});
}

ShownValue ToSchema(const Shape& shape);

// A section without content counts as an empty one.
ShownValue MapSchema(const Shape& shape, const std::vector<std::string_view>& types) {
  Entries properties;
  for (const auto& [key, child] : shape.keys) {
    properties.emplace_back(std::string(key), ToSchema(child));
  }
  return Map({{"type", Texts(types)},
              {"additionalProperties", ShownLiteral("false")},
              {"properties", Map(std::move(properties))}});
}

ShownValue ListSchema(ShownValue element) {
  return Map({{"type", Texts({"array", "null"})}, {"items", std::move(element)}});
}

ShownValue ServerSchema(const Shape& shape) {
  ShownValue map = MapSchema(shape, {"object"});
  map.entries.emplace_back("required", Texts({"url"}));
  return Either({Type("string"), std::move(map)});
}

ShownValue ScalarSchema(const Shape& shape) {
  constexpr std::string_view kIpPort = R"(^([0-9]+(\.[0-9]+){3}|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}$)";
  using S = Shape::Kind;
  switch (shape.kind) {
    case S::kAddress:
      return Pattern(kIpPort);
    case S::kControlAddress:
      return Either({Pattern("^unix:/.+$"), Pattern(kIpPort)});
    case S::kName:
      return Either({Pattern("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"), Whole(0, 999'999'999)});
    case S::kPath:
      return Pattern(R"(^/[^?#\s]*$)");
    case S::kBool:
      return Type("boolean");
    case S::kNumber:
      return Whole(shape.least, shape.most);
    case S::kWorkers: {
      ShownValue word = Map({{"enum", Texts({"auto"})}});
      return Either({std::move(word), Whole(shape.least, shape.most)});
    }
    case S::kFraction:
      return Map({{"type", ShownText("number")},
                  {"minimum", ShownLiteral("0")},
                  {"maximum", ShownLiteral("1")}});
    case S::kDuration: {
      ShownValue text = Pattern("^(0|[0-9]+(ms|s|m|h))$");
      if (shape.least > 0) return text;
      return Either({std::move(text), Whole(0, 0)});
    }
    case S::kSize:
      return Either({Pattern("^[0-9]+(KiB|MiB|GiB)?$"), Whole(shape.least, shape.most)});
    case S::kChoice:
      return Map({{"enum", Texts(shape.choices)}});
    default:
      return Type("string");
  }
}

ShownValue ToSchema(const Shape& shape) {
  using S = Shape::Kind;
  switch (shape.kind) {
    case S::kMap:
      return MapSchema(shape, {"object", "null"});
    case S::kList:
      return ListSchema(MapSchema(shape, {"object", "null"}));
    case S::kServers:
      return ListSchema(ServerSchema(shape));
    case S::kLabels:
      return Map({{"type", Texts({"object", "null"})},
                  {"maxProperties", ShownLiteral("64")},
                  {"additionalProperties", Map({{"type", Texts({"string", "number", "boolean"})},
                                                {"maxLength", ShownLiteral("256")}})}});
    default:
      return ScalarSchema(shape);
  }
}

}  // namespace

std::string RenderConfigSchema() {
  ShownValue schema = Map({{"$schema", ShownText("http://json-schema.org/draft-07/schema#")},
                           {"title", ShownText("Configuration of remorad")}});
  for (auto& entry : ToSchema(ShapeOf(RootFields())).entries) {
    schema.entries.push_back(std::move(entry));
  }
  return RenderJson(schema) + "\n";
}

}  // namespace remora::server
