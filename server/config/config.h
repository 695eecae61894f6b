// What an operator can set for remorad, with the defaults that ship. Plain values.
//
// Made by ParseConfig or LoadConfig, which check everything that can be checked without touching
// the system: whoever holds a Config need not look again.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "proxy/base/log.h"
#include "proxy/base/settings.h"
#include "proxy/registry/registry.h"
#include "server/config/file_stamp.h"

namespace remora::server {

// A server that is written down, as opposed to one that was added over the API.
struct ListedServer {
  std::string pool = "default";
  std::string id;  // empty: derived from the url
  proxy::ServerSpec spec;
  std::string where;  // "config.yaml:3:5: servers[0]", for messages
  // Where its values were written, by key ("url", "labels.zone"); what is missing is a default.
  std::map<std::string, std::string> origins = {};
};

struct ControlSettings {
  std::string address;  // "unix:/path" or "ip:port"; empty: DefaultControlAddress
  bool insecure = false;
};

struct AdminSettings {
  std::string address = "127.0.0.1:3002";
  bool allow_mutations = false;  // only with a loopback address
};

struct LogSettings {
  log::Level level = log::Level::kInfo;
  log::Format format = log::Format::kAuto;
  proxy::AccessLogSettings access;
};

struct ShutdownSettings {
  // From the signal until the data listeners close: others need that long to learn that we go.
  std::chrono::milliseconds delay{5000};
  // From the signal until what still runs is cut: the 30 s of a pod less 2, or what
  // TERMINATION_GRACE_PERIOD_SECONDS says less 2.
  std::chrono::milliseconds deadline{28000};
};

// `workers: auto` until LoadConfig has looked at the machine.
inline constexpr std::uint32_t kAutoWorkers = 0;

struct Config {
  proxy::ProxySettings proxy{
      .workers = kAutoWorkers, .max_connections = 0, .listeners = {}, .pools = {}};
  std::vector<ListedServer> servers;
  ControlSettings control;
  AdminSettings admin;
  LogSettings log;
  ShutdownSettings shutdown;
  bool demo = false;          // embedded backends
  std::string file;           // it was read from; empty: none
  FileStamp file_stamp = {};  // taken before it was read
  // Where values were written, by path ("control.address"): "config.yaml:3:5", "REMORA_WORKERS",
  // "--admin". What is missing is a default. Servers have their own.
  std::map<std::string, std::string> origins = {};
  // What is allowed but hardly meant; logged at the start.
  std::vector<std::string> warnings;
};

}  // namespace remora::server
