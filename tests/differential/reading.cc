#include "tests/differential/reading.h"

#include <algorithm>
#include <utility>

namespace remora::differential {
namespace {

using strict::Message;
using strict::Outcome;
using strict::Parsed;

constexpr std::string_view kEmptyLine = "\r\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::string_view kTrailer = "X-Trailer-";

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

// The same lines with names that may trail, where they had such as fields have.
std::string Renamed(std::string_view lines) {
  std::string renamed;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find(kEmptyLine), lines.size() - 2) + 2;
    const std::string_view name = lines.substr(0, std::min(lines.find_first_of(":\r"), end));
    const bool sound = !name.empty() && std::ranges::all_of(name, IsNameByte);
    renamed += sound ? std::string(kTrailer) + std::string(name) : std::string(name);
    renamed += lines.substr(name.size(), end - name.size());
    lines.remove_prefix(end);
  }
  return renamed;
}

std::optional<Parsed> WithoutTrailers(std::string_view bytes) {
  for (std::size_t end = bytes.find(kHeadEnd); end != std::string_view::npos;
       end = bytes.find(kHeadEnd, end + 1)) {
    const std::size_t size = end + kHeadEnd.size();
    // The trailers begin where the message would be whole without them.
    for (std::size_t line = bytes.find(kEmptyLine); line < end;
         line = bytes.find(kEmptyLine, line + 1)) {
      const std::size_t begin = line + kEmptyLine.size();
      const std::string head(bytes.substr(0, begin));
      Parsed parsed = strict::ParseRequest(head + "\r\n");
      if (parsed.outcome != Outcome::kComplete || parsed.size != begin + kEmptyLine.size() ||
          parsed.message.framing != strict::Framing::kChunked) {
        continue;
      }
      const std::string trailers = Renamed(bytes.substr(begin, size - begin));
      parsed = strict::ParseRequest(head + trailers);
      if (parsed.outcome != Outcome::kComplete) return std::nullopt;
      for (strict::Field& field : parsed.message.trailers) field.name.erase(0, kTrailer.size());
      parsed.size = size;
      return parsed;
    }
  }
  return std::nullopt;
}

std::optional<Parsed> AfterAnEmptyLine(std::string_view bytes) {
  if (!bytes.starts_with(kEmptyLine)) return std::nullopt;
  bytes.remove_prefix(kEmptyLine.size());
  std::optional<Parsed> parsed = strict::ParseRequest(bytes);
  if (parsed->outcome == Outcome::kMalformed) parsed = WithoutTrailers(bytes);
  if (parsed) parsed->size += kEmptyLine.size();
  return parsed;
}

bool MustCloseAfter(const Message& message) {
  return message.HasToken("connection", "close") ||
         (message.minor_version == 0 && !message.HasToken("connection", "keep-alive"));
}

bool MayCloseAfter(const Message& message) {
  return message.minor_version == 0 || message.HasToken("connection", "close");
}

std::size_t UpTo(const std::vector<Message>& messages, bool (*last)(const Message&)) {
  const auto found = std::ranges::find_if(messages, last);
  return static_cast<std::size_t>(found - messages.begin()) + (found == messages.end() ? 0 : 1);
}

Parsed ReadOne(std::string_view bytes, std::vector<std::string_view>& leniencies) {
  Parsed parsed = strict::ParseRequest(bytes);
  if (parsed.outcome != Outcome::kMalformed) return parsed;
  for (const Leniency& leniency : Leniencies()) {
    std::optional<Parsed> lenient = leniency.read(bytes);
    if (!lenient) continue;
    leniencies.push_back(leniency.name);
    return *std::move(lenient);
  }
  return parsed;
}

}  // namespace

const std::vector<Leniency>& Leniencies() {
  static const std::vector<Leniency> leniencies = {
      {.name = "an empty line before the request line",
       .rfc = "9112 2.2",
       .read = AfterAnEmptyLine},
      {.name = "a trailer that must not trail is dropped",
       .rfc = "9110 6.5.1",
       .read = WithoutTrailers},
  };
  return leniencies;
}

std::size_t Reading::due() const { return UpTo(messages, MayCloseAfter); }

std::size_t Reading::allowed() const { return UpTo(messages, MustCloseAfter); }

Reading Read(std::string_view bytes) {
  Reading reading;
  while (!bytes.empty()) {
    Parsed parsed = ReadOne(bytes, reading.leniencies);
    if (parsed.outcome != Outcome::kComplete) {
      reading.rest = parsed.outcome;
      reading.problem = std::move(parsed.problem);
      reading.rest_has_head = parsed.head_complete;
      break;
    }
    reading.messages.push_back(std::move(parsed.message));
    bytes.remove_prefix(parsed.size);
  }
  return reading;
}

std::string Escaped(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\r') {
      text += "\\r";
    } else if (c == '\n') {
      text += "\\n";
    } else if (c == '\t') {
      text += "\\t";
    } else if (c == '\\') {
      text += "\\\\";
    } else if (byte < 0x20 || byte > 0x7e) {
      text += "\\x";
      text += kHex[byte >> 4];
      text += kHex[byte & 15];
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace remora::differential
