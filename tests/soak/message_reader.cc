#include "tests/soak/message_reader.h"

#include <strings.h>

#include <algorithm>
#include <charconv>

namespace remora::soak {
namespace {

constexpr std::size_t kMostHead = 128 * 1024;
constexpr std::size_t kMostLine = 8 * 1024;

bool SameName(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool IsClean(std::string_view line) {
  return std::ranges::all_of(line, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 || c == '\t') && byte != 0x7F;
  });
}

}  // namespace

void MessageReader::Reset() {
  state_ = State::kHead;
  head_.clear();
  start_ = {};
  fields_.clear();
  left_ = 0;
  line_.clear();
  body_.clear();
  trailers_.clear();
}

MessageReader::Event MessageReader::Bad(std::string why) {
  problem_ = std::move(why);
  return Event::kBad;
}

MessageReader::Event MessageReader::Read(std::string_view& bytes) {
  switch (state_) {
    case State::kHead:
      return ReadHead(bytes);
    case State::kHeadRead:
      return Event::kHead;
    case State::kLength:
      TakeData(bytes);
      if (left_ != 0) return Event::kNeedMore;
      state_ = State::kEnd;
      return Event::kEnd;
    case State::kUntilClose:
      body_ += bytes;
      bytes = {};
      return Event::kNeedMore;
    case State::kEnd:
      return Event::kEnd;
    default:
      return ReadChunked(bytes);
  }
}

MessageReader::Event MessageReader::ReadHead(std::string_view& bytes) {
  const std::size_t before = head_.size();
  const std::size_t from = before < 3 ? 0 : before - 3;
  head_ += bytes;
  const std::size_t end = head_.find("\r\n\r\n", from);
  if (end == std::string::npos) {
    bytes = {};
    return head_.size() > kMostHead ? Bad("a head without end") : Event::kNeedMore;
  }
  head_.resize(end + 4);
  bytes.remove_prefix(head_.size() - before);
  if (!ParseHead()) return Event::kBad;
  state_ = State::kHeadRead;
  return Event::kHead;
}

bool MessageReader::ParseHead() {
  std::string_view rest(head_.data(), head_.size() - 2);
  while (!rest.empty()) {
    const std::size_t end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    if (!IsClean(line)) {
      problem_ = "a control byte in a line of the head";
      return false;
    }
    if (start_.empty()) {
      start_ = line;
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == 0 || colon == std::string_view::npos || line.find_first_of(" \t") < colon) {
      problem_ = "a bad field line: " + std::string(line);
      return false;
    }
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
    fields_.emplace_back(line.substr(0, colon), value);
  }
  return true;
}

void MessageReader::StartBody(Framing framing, std::uint64_t length) {
  left_ = length;
  switch (framing) {
    case Framing::kNone:
      state_ = State::kEnd;
      break;
    case Framing::kLength:
      state_ = State::kLength;
      break;
    case Framing::kChunked:
      state_ = State::kSize;
      break;
    case Framing::kUntilClose:
      state_ = State::kUntilClose;
      break;
  }
}

void MessageReader::TakeData(std::string_view& bytes) {
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
  body_ += bytes.substr(0, count);
  bytes.remove_prefix(count);
  left_ -= count;
}

// True when line_ is complete (without its CRLF).
bool MessageReader::TakeLine(std::string_view& bytes) {
  const std::size_t end = bytes.find('\n');
  line_ += bytes.substr(0, end == std::string_view::npos ? end : end + 1);
  bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
  return line_.ends_with('\n');
}

bool MessageReader::ParseSize() {
  const std::string_view digits = std::string_view(line_).substr(0, line_.find(';'));
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), left_, 16);
  return !digits.empty() && error == std::errc() && end == digits.data() + digits.size();
}

MessageReader::Event MessageReader::ReadChunked(std::string_view& bytes) {
  while (!bytes.empty()) {
    if (state_ == State::kData) {
      TakeData(bytes);
      if (left_ == 0) state_ = State::kDataEnd;
      continue;
    }
    if (!TakeLine(bytes)) {
      if (line_.size() > kMostLine) return Bad("a line of the chunked framing without end");
      break;
    }
    if (!line_.ends_with("\r\n")) return Bad("a bare LF in the chunked framing");
    line_.resize(line_.size() - 2);
    if (state_ == State::kSize) {
      if (!IsClean(line_) || !ParseSize()) return Bad("a bad chunk size line: " + line_);
      state_ = left_ == 0 ? State::kTrailer : State::kData;
    } else if (state_ == State::kDataEnd) {
      if (!line_.empty()) return Bad("a chunk without CRLF behind it");
      state_ = State::kSize;
    } else if (line_.empty()) {
      state_ = State::kEnd;
      return Event::kEnd;
    } else {
      trailers_ += line_ + "\r\n";
    }
    line_.clear();
  }
  return Event::kNeedMore;
}

std::string MessageReader::Field(std::string_view name) const {
  std::string joined;
  for (const auto& [key, value] : fields_) {
    if (!SameName(key, name)) continue;
    if (!joined.empty()) joined += '|';
    joined += value;
  }
  return joined;
}

bool MessageReader::Has(std::string_view name) const {
  return std::ranges::any_of(fields_,
                             [&](const auto& field) { return SameName(field.first, name); });
}

}  // namespace remora::soak
