#include "cli/discovery/srv.h"

#include <ares.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

namespace remora::cli::discovery {
namespace {

constexpr std::size_t kHeader = 12;
constexpr std::uint16_t kSrv = 33;
constexpr std::uint16_t kInternet = 1;
constexpr std::uint32_t kMostWeight = 1000;

// Reads a message from its begin to its end; `good` turns false at the first byte that is not
// there.
class Reader {
 public:
  explicit Reader(std::span<const unsigned char> message) : message_(message) {}

  bool good() const { return good_; }
  std::size_t at() const { return at_; }
  void Skip(std::size_t size) {
    good_ = good_ && size <= message_.size() - at_;
    if (good_) at_ += size;
  }
  std::uint16_t Number16() {
    const std::size_t from = at_;
    Skip(2);
    if (!good_) return 0;
    return static_cast<std::uint16_t>(message_[from] << 8 | message_[from + 1]);
  }
  std::uint32_t Number32() {
    const std::uint32_t high = Number16();
    return high << 16 | Number16();
  }
  // A domain name, whose end may be elsewhere in the message.
  std::string Name() {
    char* name = nullptr;
    long length = 0;
    if (!good_ || at_ >= message_.size() ||
        ares_expand_name(message_.data() + at_, message_.data(), static_cast<int>(message_.size()),
                         &name, &length) != ARES_SUCCESS) {
      good_ = false;
      return {};
    }
    const std::unique_ptr<char, void (*)(void*)> owned(name, ares_free_string);
    Skip(static_cast<std::size_t>(length));
    return name;
  }

 private:
  std::span<const unsigned char> message_;
  std::size_t at_ = 0;
  bool good_ = true;
};

}  // namespace

std::expected<SrvAnswer, std::string> ParseSrv(std::span<const unsigned char> message) {
  if (message.size() < kHeader) return std::unexpected("the answer is too short");
  Reader reader(message);
  reader.Skip(4);
  const std::uint16_t questions = reader.Number16();
  const std::uint16_t answers = reader.Number16();
  reader.Skip(4);
  for (int i = 0; i < questions && reader.good(); ++i) {
    reader.Name();
    reader.Skip(4);
  }
  SrvAnswer answer{.records = {}, .ttl_s = std::numeric_limits<std::uint32_t>::max()};
  for (int i = 0; i < answers && reader.good(); ++i) {
    reader.Name();
    const std::uint16_t type = reader.Number16();
    const std::uint16_t of_class = reader.Number16();
    const std::uint32_t ttl = reader.Number32();
    const std::uint16_t length = reader.Number16();
    const std::size_t end = reader.at() + length;
    if (type == kSrv && of_class == kInternet) {
      SrvRecord record{.priority = reader.Number16(),
                       .weight = reader.Number16(),
                       .port = reader.Number16(),
                       .target = reader.Name()};
      if (!reader.good() || reader.at() != end) return std::unexpected("a record is malformed");
      answer.records.push_back(std::move(record));
    } else {  // a CNAME on the way: its time counts too
      reader.Skip(length);
    }
    answer.ttl_s = std::min(answer.ttl_s, ttl);
  }
  if (!reader.good()) return std::unexpected("the answer is cut short");
  if (answer.records.empty()) return std::unexpected("the answer has no SRV record");
  return answer;
}

ServerSet ServersOf(const std::vector<SrvRecord>& records, const Shape& shape) {
  if (records.empty()) return {};
  const std::uint16_t best = std::ranges::min(records, {}, &SrvRecord::priority).priority;
  std::uint32_t heaviest = kMostWeight;
  for (const SrvRecord& record : records) {
    if (record.priority == best) heaviest = std::max<std::uint32_t>(heaviest, record.weight);
  }
  ServerSet servers;
  for (const SrvRecord& record : records) {
    if (record.priority != best || record.target.empty() || record.port == 0) continue;
    const std::uint32_t weight = record.weight * kMostWeight / heaviest;
    Endpoint endpoint{.url = UrlFor(shape, record.target, record.port),
                      .weight = std::max(weight, 1U)};
    const ServerKey key{.pool = shape.pool, .id = IdFor(endpoint.url)};
    servers.emplace(key, std::move(endpoint));
  }
  return servers;
}

}  // namespace remora::cli::discovery
