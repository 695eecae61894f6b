#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "proxy/message/head.h"

namespace remora::proxy::message {
namespace {

struct Name {
  std::string_view text;
  FieldId id;
};

constexpr Name kNames[] = {{"te", FieldId::kTe},
                           {"via", FieldId::kVia},
                           {"date", FieldId::kDate},
                           {"host", FieldId::kHost},
                           {"expect", FieldId::kExpect},
                           {"trailer", FieldId::kTrailer},
                           {"upgrade", FieldId::kUpgrade},
                           {"forwarded", FieldId::kForwarded},
                           {"connection", FieldId::kConnection},
                           {"keep-alive", FieldId::kKeepAlive},
                           {"max-forwards", FieldId::kMaxForwards},
                           {"x-request-id", FieldId::kXRequestId},
                           {"content-length", FieldId::kContentLength},
                           {"http2-settings", FieldId::kHttp2Settings},
                           {"x-forwarded-for", FieldId::kXForwardedFor},
                           {"proxy-connection", FieldId::kProxyConnection},
                           {"x-forwarded-host", FieldId::kXForwardedHost},
                           {"transfer-encoding", FieldId::kTransferEncoding},
                           {"x-forwarded-proto", FieldId::kXForwardedProto}};

constexpr std::size_t kSlots = 64;
// A letter's case doesn't matter; what else may be in a name stays what it is.
constexpr char kLowerBit = 0x20;

// By length and first letter each name has a slot of its own: most fields are compared with none.
constexpr std::size_t SlotOf(std::string_view name) {
  return (13 * name.size() + static_cast<unsigned char>(name.front() | kLowerBit)) % kSlots;
}

constexpr auto kNameInSlot = [] {
  std::array<const Name*, kSlots> slots{};
  for (const Name& name : kNames) slots[SlotOf(name.text)] = &name;
  return slots;
}();
static_assert(std::ranges::count(kNameInSlot, nullptr) == kSlots - std::size(kNames));

// The same but for the case, which is one instruction for a Word: its first and its last bytes,
// those between twice.
template <class Word>
bool SameEnds(const char* lower, const char* name, std::size_t size) {
  constexpr Word kLowerBits = static_cast<Word>(0x2020202020202020);
  const auto differ = [&](std::size_t at) {
    Word a;
    Word b;
    std::memcpy(&a, lower + at, sizeof(a));
    std::memcpy(&b, name + at, sizeof(b));
    return a ^ (b | kLowerBits);
  };
  return (differ(0) | differ(size - sizeof(Word))) == 0;
}

static_assert(std::ranges::all_of(kNames, [](const Name& name) { return name.text.size() <= 24; }));

// `lower` and `name` are as long, and at most three words. No control byte is in a name, which
// could pass for another.
bool SameName(std::string_view lower, std::string_view name) {
  const std::size_t size = lower.size();
  if (size > 16) {
    return SameEnds<std::uint64_t>(lower.data(), name.data(), 16) &&
           SameEnds<std::uint64_t>(lower.data(), name.data(), size);
  }
  if (size >= 8) return SameEnds<std::uint64_t>(lower.data(), name.data(), size);
  if (size >= 4) return SameEnds<std::uint32_t>(lower.data(), name.data(), size);
  return EqualsIgnoreCase(lower, name);
}

}  // namespace

FieldId FieldIdOf(std::string_view name) {
  if (name.empty()) return FieldId::kOther;
  const Name* const candidate = kNameInSlot[SlotOf(name)];
  if (candidate == nullptr || candidate->text.size() != name.size()) return FieldId::kOther;
  return SameName(candidate->text, name) ? candidate->id : FieldId::kOther;
}

}  // namespace remora::proxy::message
