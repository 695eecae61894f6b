// Messages as JSON for programs: protojson with the field names of the .proto file, enums as
// names, zero values present (a script finds `.status.active_requests` even when it is 0). Pure.
#pragma once

#include <google/protobuf/message.h>

#include <string>

namespace remora::cli {

// Indented, ends with a newline.
std::string ToJson(const google::protobuf::Message& message);

// On one line, which ends with a newline.
std::string ToJsonLine(const google::protobuf::Message& message);

}  // namespace remora::cli
