// What the bytes of a client mean: the oracle of strict_http.h, and where it is stricter with a
// client than the RFCs are.
//
// Pure; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/strict_http.h"

namespace remora::differential {

// The oracle takes only what a sender may generate. A recipient is allowed a few things more, each
// of which leads to exactly one message: these.
struct Leniency {
  std::string_view name;
  std::string_view rfc;
  // Reads one message at the start of `bytes`, which are malformed to the oracle. nullopt if that
  // is not what the leniency is about.
  std::optional<strict::Parsed> (*read)(std::string_view bytes);
};

const std::vector<Leniency>& Leniencies();

struct Reading {
  std::vector<strict::Message> messages;
  // What stands behind them: nothing (kComplete), a message that is not whole, or none at all.
  strict::Outcome rest = strict::Outcome::kComplete;
  std::string problem;
  bool rest_has_head = false;  // its head is whole and sound
  std::vector<std::string_view> leniencies;

  // Messages that a server has to serve: those up to the first after which it may close.
  std::size_t due() const;
  // Messages that a server may serve: those up to the first after which it must close.
  std::size_t allowed() const;
};

Reading Read(std::string_view bytes);

// Bytes as one prints them: printable ASCII and escapes as in C.
std::string Escaped(std::string_view bytes);

}  // namespace remora::differential
