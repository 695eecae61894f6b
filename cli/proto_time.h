// Times of the API's messages and those of C++. Pure.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <chrono>

#include "cli/clock.h"

namespace remora::cli {

google::protobuf::Duration ToProto(std::chrono::milliseconds duration);
std::chrono::milliseconds FromProto(const google::protobuf::Duration& duration);

// Until `deadline`, in whole seconds and rounded up; 0 where it has passed.
std::chrono::milliseconds TimeLeft(const google::protobuf::Timestamp& deadline, Clock& clock);

}  // namespace remora::cli
