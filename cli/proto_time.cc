#include "cli/proto_time.h"

#include <algorithm>
#include <cstdint>

namespace remora::cli {

google::protobuf::Duration ToProto(std::chrono::milliseconds duration) {
  google::protobuf::Duration proto;
  proto.set_seconds(duration.count() / 1000);
  proto.set_nanos(static_cast<std::int32_t>(duration.count() % 1000 * 1'000'000));
  return proto;
}

std::chrono::milliseconds FromProto(const google::protobuf::Duration& duration) {
  return std::chrono::seconds(duration.seconds()) +
         std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::nanoseconds(duration.nanos()));
}

std::chrono::milliseconds TimeLeft(const google::protobuf::Timestamp& deadline, Clock& clock) {
  const auto since_epoch =
      std::chrono::seconds(deadline.seconds()) + std::chrono::nanoseconds(deadline.nanos());
  const auto left = since_epoch - clock.Now().time_since_epoch();
  return std::max(std::chrono::ceil<std::chrono::seconds>(left), std::chrono::seconds(0));
}

}  // namespace remora::cli
