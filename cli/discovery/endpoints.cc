#include "cli/discovery/endpoints.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>

#include "cli/commands/lookup.h"

namespace remora::cli::discovery {
namespace {

constexpr std::size_t kMaxId = 63;

std::string Fold(std::string_view source) {
  std::string id;
  for (const char c : source) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && std::isalnum(byte) != 0) {
      id += static_cast<char>(std::tolower(byte));
    } else if (!id.empty() && id.back() != '-') {
      id += '-';
    }
  }
  while (id.ends_with('-')) id.pop_back();
  return id;
}

std::uint64_t Fnv1a(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

// What the sidecar makes an id from: "host-port/prefix" with an address without brackets.
std::string SourceOfId(std::string_view url) {
  if (url.starts_with("unix:")) return "unix" + std::string(url.substr(5));
  if (const std::size_t end = url.find("://"); end != std::string_view::npos) {
    url.remove_prefix(end + 3);
  }
  const std::size_t slash = std::min(url.find('/'), url.size());
  std::string authority(url.substr(0, slash));
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string::npos) authority[colon] = '-';
  std::erase_if(authority, [](char c) { return c == '[' || c == ']'; });
  return authority + std::string(url.substr(slash));
}

}  // namespace

std::string UrlFor(const Shape& shape, std::string_view host, std::uint16_t port) {
  const bool v6 = host.find(':') != std::string_view::npos;
  std::string url = shape.scheme + "://";
  url += v6 ? "[" + std::string(host) + "]" : std::string(host);
  return CanonicalUrl(url + ":" + std::to_string(port) + shape.path_prefix);
}

std::string IdFor(std::string_view url) {
  const std::string source = SourceOfId(url);
  std::string id = Fold(source);
  const bool exact = std::ranges::all_of(source, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  });
  if (exact && id.size() <= kMaxId) return id;
  // Folding has lost something: a hash keeps ids apart.
  const std::uint64_t hash = Fnv1a(source);
  id.resize(std::min<std::size_t>(id.size(), kMaxId - 9));
  while (id.ends_with('-')) id.pop_back();
  std::array<char, 10> suffix{};
  std::snprintf(suffix.data(), suffix.size(), "-%08x",
                static_cast<std::uint32_t>(hash ^ (hash >> 32)));
  return id + suffix.data();
}

Endpoint EndpointOf(const v1::ServerSpec& spec) {
  return {.url = CanonicalUrl(spec.url()),
          .weight = std::max(spec.weight(), 1U),
          .max_active = spec.max_active(),
          .labels = {spec.labels().begin(), spec.labels().end()}};
}

v1::DesiredServer ToDesired(const ServerKey& key, const Endpoint& endpoint) {
  v1::DesiredServer server;
  server.set_pool(key.pool);
  server.set_id(key.id);
  v1::ServerSpec& spec = *server.mutable_spec();
  spec.set_url(endpoint.url);
  spec.set_weight(endpoint.weight);
  spec.set_max_active(endpoint.max_active);
  for (const auto& [name, value] : endpoint.labels) (*spec.mutable_labels())[name] = value;
  return server;
}

std::string ToString(const ServerKey& key) { return key.pool + "/" + key.id; }

}  // namespace remora::cli::discovery
