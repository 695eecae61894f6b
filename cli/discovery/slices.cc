#include "cli/discovery/slices.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <set>
#include <string_view>
#include <utility>

namespace remora::cli::discovery {
namespace {

namespace json = boost::json;

constexpr std::uint32_t kNearWeight = 100;

// nullptr also for a null, which Kubernetes writes for what is not there.
const json::value* Find(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains({key.data(), key.size()});
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string Text(const json::object& object, std::string_view key) {
  const json::value* value = Find(object, key);
  const json::string* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : std::string(text->data(), text->size());
}

const json::object* Object(const json::object& object, std::string_view key) {
  const json::value* value = Find(object, key);
  return value == nullptr ? nullptr : value->if_object();
}

const json::array* Array(const json::object& object, std::string_view key) {
  const json::value* value = Find(object, key);
  return value == nullptr ? nullptr : value->if_array();
}

bool Condition(const json::object* conditions, std::string_view key, bool if_absent) {
  const json::value* value = conditions == nullptr ? nullptr : Find(*conditions, key);
  const bool* flag = value == nullptr ? nullptr : value->if_bool();
  return flag == nullptr ? if_absent : *flag;
}

std::optional<SlicePort> ParsePort(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return std::nullopt;
  const std::string protocol = Text(*object, "protocol");
  if (!protocol.empty() && protocol != "TCP") return std::nullopt;
  const json::value* number = Find(*object, "port");  // none: "all ports", nothing to connect to
  const std::int64_t* port = number == nullptr ? nullptr : number->if_int64();
  if (port == nullptr || *port < 1 || *port > 65535) return std::nullopt;
  return SlicePort{.name = Text(*object, "name"),
                   .port = static_cast<std::uint16_t>(*port),
                   .app_protocol = Text(*object, "appProtocol")};
}

std::vector<std::string> HintedZones(const json::object& endpoint) {
  std::vector<std::string> zones;
  const json::object* hints = Object(endpoint, "hints");
  const json::array* hinted = hints == nullptr ? nullptr : Array(*hints, "forZones");
  if (hinted == nullptr) return zones;
  for (const json::value& zone : *hinted) {
    if (const json::object* object = zone.if_object()) zones.push_back(Text(*object, "name"));
  }
  return zones;
}

std::optional<SliceEndpoint> ParseEndpoint(const json::value& value) {
  const json::object* object = value.if_object();
  const json::array* addresses = object == nullptr ? nullptr : Array(*object, "addresses");
  if (addresses == nullptr || addresses->empty()) return std::nullopt;
  const json::string* address = addresses->front().if_string();
  if (address == nullptr || address->empty()) return std::nullopt;
  const json::object* conditions = Object(*object, "conditions");
  SliceEndpoint endpoint{.address = std::string(address->data(), address->size()),
                         .zone = Text(*object, "zone"),
                         .node = Text(*object, "nodeName"),
                         .hinted_zones = HintedZones(*object)};
  endpoint.ready = Condition(conditions, "ready", true);
  endpoint.serving = Condition(conditions, "serving", true);
  endpoint.terminating = Condition(conditions, "terminating", false);
  const json::object* target = Object(*object, "targetRef");
  if (target != nullptr && Text(*target, "kind") == "Pod") endpoint.pod = Text(*target, "name");
  return endpoint;
}

Slice::AddressType TypeOf(const std::string& name) {
  if (name == "IPv4") return Slice::AddressType::kIpv4;
  if (name == "IPv6") return Slice::AddressType::kIpv6;
  return Slice::AddressType::kOther;  // FQDN
}

std::string PortText(const SlicePort& port) {
  return (port.name.empty() ? "" : port.name + "=") + std::to_string(port.port);
}

bool IsMeant(const SlicePort& port, const std::string& wanted) {
  return wanted.empty() || port.name == wanted || std::to_string(port.port) == wanted;
}

// The port of a slice that is meant; nullptr where the slice has none.
std::expected<const SlicePort*, std::string> ChoosePort(const Slice& slice,
                                                        const std::string& wanted) {
  const SlicePort* chosen = nullptr;
  for (const SlicePort& port : slice.ports) {
    if (!IsMeant(port, wanted)) continue;
    if (chosen != nullptr && chosen->port != port.port) {
      return std::unexpected("has several ports, " + PortText(*chosen) + " and " + PortText(port) +
                             ": name one of them, as in NS/NAME:PORT");
    }
    chosen = &port;
  }
  return chosen;
}

struct Candidate {
  const SliceEndpoint* endpoint = nullptr;
  const SlicePort* port = nullptr;
};
using Candidates = std::map<std::pair<std::string, std::uint16_t>, Candidate>;

// An endpoint on its way from one slice to another is in both for a moment; the one that takes
// traffic counts.
void Add(Candidates& to, const Candidate& candidate) {
  const auto [entry, added] =
      to.try_emplace({candidate.endpoint->address, candidate.port->port}, candidate);
  if (!added && candidate.endpoint->ready && !entry->second.endpoint->ready) {
    entry->second = candidate;
  }
}

bool HasFamily(const Slices& slices, Slice::AddressType type) {
  return std::ranges::any_of(slices,
                             [type](const auto& entry) { return entry.second.type == type; });
}

std::expected<Candidates, std::string> Collect(const Slices& slices, const std::string& port) {
  const auto family = HasFamily(slices, Slice::AddressType::kIpv4) ? Slice::AddressType::kIpv4
                                                                   : Slice::AddressType::kIpv6;
  Candidates candidates;
  std::string other_ports;
  for (const auto& [name, slice] : slices) {
    if (slice.type != family) continue;
    const auto chosen = ChoosePort(slice, port);
    if (!chosen) return std::unexpected(chosen.error());
    if (*chosen == nullptr) {
      for (const SlicePort& one : slice.ports) other_ports += " " + PortText(one);
      continue;
    }
    for (const SliceEndpoint& endpoint : slice.endpoints) {
      Add(candidates, {.endpoint = &endpoint, .port = *chosen});
    }
  }
  if (candidates.empty() && !other_ports.empty()) {
    return std::unexpected("has no port " + port + "; there are" + other_ports);
  }
  return candidates;
}

// Ready ones, or else those that serve to their end.
void KeepUsable(Candidates& candidates) {
  const bool any_ready = std::ranges::any_of(
      candidates, [](const auto& entry) { return entry.second.endpoint->ready; });
  std::erase_if(candidates, [any_ready](const auto& entry) {
    const SliceEndpoint& endpoint = *entry.second.endpoint;
    return any_ready ? !endpoint.ready : !(endpoint.serving && endpoint.terminating);
  });
}

bool IsNear(const SliceEndpoint& endpoint, const std::string& zone) {
  return std::ranges::find(endpoint.hinted_zones, zone) != endpoint.hinted_zones.end();
}

bool HintsCount(const Candidates& candidates, const std::string& zone) {
  if (zone.empty()) return false;
  const auto hinted = [](const auto& entry) {
    return !entry.second.endpoint->hinted_zones.empty();
  };
  return std::ranges::all_of(candidates, hinted) &&
         std::ranges::any_of(candidates, [&zone](const auto& entry) {
           return IsNear(*entry.second.endpoint, zone);
         });
}

std::map<std::string, std::string> LabelsOf(const Candidate& candidate) {
  std::map<std::string, std::string> labels;
  const auto add = [&labels](const char* name, const std::string& value) {
    if (!value.empty()) labels[name] = value;
  };
  add("zone", candidate.endpoint->zone);
  add("node", candidate.endpoint->node);
  add("pod", candidate.endpoint->pod);
  add("app_protocol", candidate.port->app_protocol);
  return labels;
}

}  // namespace

std::expected<Slice, std::string> ParseSlice(const json::value& value) {
  const json::object* object = value.if_object();
  const json::object* metadata = object == nullptr ? nullptr : Object(*object, "metadata");
  if (metadata == nullptr) return std::unexpected("an EndpointSlice without metadata");
  Slice slice{.name = Text(*metadata, "name"), .type = TypeOf(Text(*object, "addressType"))};
  if (slice.name.empty()) return std::unexpected("an EndpointSlice without a name");
  if (const json::array* ports = Array(*object, "ports")) {
    for (const json::value& one : *ports) {
      if (auto port = ParsePort(one)) slice.ports.push_back(*std::move(port));
    }
  }
  if (const json::array* endpoints = Array(*object, "endpoints")) {
    for (const json::value& one : *endpoints) {
      if (auto endpoint = ParseEndpoint(one)) slice.endpoints.push_back(*std::move(endpoint));
    }
  }
  return slice;
}

std::expected<ServerSet, std::string> ServersOf(const Slices& slices, const SliceRules& rules) {
  auto candidates = Collect(slices, rules.port);
  if (!candidates) return std::unexpected(std::move(candidates.error()));
  KeepUsable(*candidates);
  const bool with_hints = HintsCount(*candidates, rules.prefer_zone);
  ServerSet servers;
  for (const auto& [where, candidate] : *candidates) {
    Endpoint endpoint{.url = UrlFor(rules.shape, where.first, where.second),
                      .labels = LabelsOf(candidate)};
    if (with_hints && IsNear(*candidate.endpoint, rules.prefer_zone)) endpoint.weight = kNearWeight;
    const ServerKey key{.pool = rules.shape.pool, .id = IdFor(endpoint.url)};
    servers.emplace(key, std::move(endpoint));
  }
  return servers;
}

}  // namespace remora::cli::discovery
