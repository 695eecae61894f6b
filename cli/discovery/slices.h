// EndpointSlices of one Kubernetes Service -> servers. Pure.
//
// The rules are those of discovery.k8s.io/v1: all slices of the Service count together, an address
// that is in several of them counts once, only the first address of an endpoint is used, and a
// condition that is not there means ready, serving and not terminating.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/discovery/endpoints.h"

namespace remora::cli::discovery {

struct SlicePort {
  std::string name = {};  // "" is a name too
  std::uint16_t port = 0;
  std::string app_protocol = {};  // "kubernetes.io/h2c"
};

struct SliceEndpoint {
  std::string address;
  bool ready = true;
  bool serving = true;
  bool terminating = false;
  std::string zone = {};
  std::string node = {};
  std::string pod = {};
  std::vector<std::string> hinted_zones = {};
};

struct Slice {
  enum class AddressType : std::uint8_t { kIpv4, kIpv6, kOther };
  std::string name;
  AddressType type = AddressType::kIpv4;
  std::vector<SlicePort> ports = {};  // those of TCP
  std::vector<SliceEndpoint> endpoints = {};
};

// The error says what is wrong with the object.
std::expected<Slice, std::string> ParseSlice(const boost::json::value& object);

using Slices = std::map<std::string, Slice>;  // by name

struct SliceRules {
  Shape shape = {};
  std::string port = {};         // name or number; empty: the only one
  std::string prefer_zone = {};  // empty: hints are not looked at
};

// Endpoints that are ready; where the whole Service has none, those that still serve while they
// terminate, as somebody is better than nobody. Of a Service with both families IPv4 counts, so
// that a pod is one server. The error is one of the choice of port.
//
// `prefer_zone`: where every endpoint is hinted and one of them to that zone (the rule of
// kube-proxy), those get weight 100 and all others 1.
std::expected<ServerSet, std::string> ServersOf(const Slices& slices, const SliceRules& rules);

}  // namespace remora::cli::discovery
