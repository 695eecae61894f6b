// The answer to a question for SRV records (RFC 2782) -> servers. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "cli/discovery/endpoints.h"

namespace remora::cli::discovery {

struct SrvRecord {
  std::uint16_t priority = 0;
  std::uint16_t weight = 0;
  std::uint16_t port = 0;
  std::string target = {};  // "" is the root: there is no such service

  friend bool operator==(const SrvRecord&, const SrvRecord&) = default;
};

struct SrvAnswer {
  std::vector<SrvRecord> records;
  std::uint32_t ttl_s = 0;  // the least of them
};

// Of a whole DNS message. The error says what is wrong with it.
std::expected<SrvAnswer, std::string> ParseSrv(std::span<const unsigned char> message);

// Those of the best priority. Weights are shares, as ours are: scaled to 1..1000 where one is
// larger, and 1 for 0.
ServerSet ServersOf(const std::vector<SrvRecord>& records, const Shape& shape);

}  // namespace remora::cli::discovery
