// The control API's messages as tables and as text for people. Pure: the time comes in.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "cli/failure.h"
#include "cli/output/colour.h"
#include "remora/v1/control.pb.h"

namespace remora::cli {

struct View {
  std::chrono::system_clock::time_point now;
  bool with_heads = true;
  bool with_colour = false;
  bool wide = false;  // servers: more columns
};

// NAME URL POOL STATE WEIGHT ACTIVE MAX OWNER AGE REASON, one server a line, in the order given.
// Wide: also REQUESTS FAILURES P50 P99 UID REVISION LABELS, before the reason.
std::string ServersTable(std::span<const v1::Server> servers, const View& view);

// "pool/id": how a server is named on the command line.
std::string NameOf(const v1::Server& server);

Colour ColourOf(v1::ServerStatus::State state);

// "850us", "12.3ms", "4.2s"; empty where nothing was measured.
std::string Latency(bool measured, const google::protobuf::Duration& latency);

// The sidecar in one line, then, after an empty line each, its pools and its listeners.
std::string HealthTable(const v1::HealthResponse& health, const View& view);

// How long ago, short, in the manner of kubectl: "45s", "9m59s", "47h", "12d". Never negative.
std::string Age(std::chrono::seconds age);

// `error: ...`, one line for each field at fault, `reason: ...`, `hint: ...`.
std::string FailureText(const Failure& failure);

}  // namespace remora::cli
