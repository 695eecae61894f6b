#include "cli/output/json.h"

#include <google/protobuf/util/json_util.h>

namespace remora::cli {
namespace {

std::string Print(const google::protobuf::Message& message, bool indented) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = indented;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  // Fails only for an Any of unknown type or a time out of range; the control API has no Any, and
  // an empty document is better than half of one.
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) text = "{}";
  if (!text.ends_with('\n')) text += '\n';
  return text;
}

}  // namespace

std::string ToJson(const google::protobuf::Message& message) { return Print(message, true); }

std::string ToJsonLine(const google::protobuf::Message& message) { return Print(message, false); }

}  // namespace remora::cli
