// Messages as YAML: the same document as ToJson, for people who read it and for `apply -f`. Pure.
#pragma once

#include <google/protobuf/message.h>

#include <string>

namespace remora::cli {

// Block style, two spaces a level, ends with a newline. What JSON writes in quotes is quoted where
// YAML would otherwise take it for a number, a truth value or nothing.
std::string ToYaml(const google::protobuf::Message& message);

}  // namespace remora::cli
