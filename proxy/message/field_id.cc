#include <algorithm>
#include <array>
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

static_assert(std::ranges::is_sorted(kNames, {},
                                     [](const Name& name) { return name.text.size(); }));
constexpr std::size_t kLongest = std::rbegin(kNames)->text.size();

// At a name's length: where kNames has the first of it.
constexpr auto kFirstOfLength = [] {
  std::array<std::uint8_t, kLongest + 2> first{};
  for (std::size_t length = 0; length < first.size(); ++length) {
    while (first[length] < std::size(kNames) && kNames[first[length]].text.size() < length) {
      ++first[length];
    }
  }
  return first;
}();

}  // namespace

// By length, then by the first letter: most names are compared with none.
FieldId FieldIdOf(std::string_view name) {
  if (name.empty() || name.size() > kLongest) return FieldId::kOther;
  const char letter = static_cast<char>(name.front() | 0x20);
  for (std::size_t i = kFirstOfLength[name.size()]; i < kFirstOfLength[name.size() + 1]; ++i) {
    if (kNames[i].text.front() == letter && EqualsIgnoreCase(kNames[i].text, name)) {
      return kNames[i].id;
    }
  }
  return FieldId::kOther;
}

}  // namespace remora::proxy::message
