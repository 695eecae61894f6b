// The words of discovery: what a source finds, and what the sidecar has, in one form that can be
// compared. Pure.
//
// Threads: values only.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "remora/v1/control.pb.h"

namespace remora::cli::discovery {

// What one server is to be. `url` is in its canonical spelling.
struct Endpoint {
  std::string url;
  std::uint32_t weight = 1;
  std::uint32_t max_active = 0;
  std::map<std::string, std::string> labels = {};

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct ServerKey {
  std::string pool;
  std::string id;

  friend auto operator<=>(const ServerKey&, const ServerKey&) = default;
};

using ServerSet = std::map<ServerKey, Endpoint>;

// What makes a server of an address that was found.
struct Shape {
  std::string pool = "default";
  std::string scheme = "http";
  std::string path_prefix = {};  // "" or "/api"
};

// "http://10.0.0.5:8080/api", "http://[fd00::1]:80".
std::string UrlFor(const Shape& shape, std::string_view host, std::uint16_t port);

// The id that the sidecar itself would make from this canonical url: "10-0-0-5-8080".
std::string IdFor(std::string_view url);

Endpoint EndpointOf(const v1::ServerSpec& spec);
v1::DesiredServer ToDesired(const ServerKey& key, const Endpoint& endpoint);

// "default/web-1"
std::string ToString(const ServerKey& key);

}  // namespace remora::cli::discovery
