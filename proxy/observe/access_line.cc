#include "proxy/observe/access_line.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "proxy/base/byte_scan.h"
#include "proxy/base/text_writer.h"
#include "proxy/base/utc_time.h"

namespace remora::proxy {
namespace {

// Of what a client sent: a line must stay small whatever the path.
constexpr std::size_t kMaxText = 2048;
// Of what is written: a byte becomes at most \u00ff.
constexpr std::size_t kMaxEscape = 6;
// More than keys, numbers and times of a line take together.
constexpr std::size_t kMaxRest = 1024;

// What a line is made of: 13,950 -> 2,600 instructions a line, against appending bytes one by one
// and formatting with absl::StrAppendFormat.
class LineWriter {
 public:
  explicit LineWriter(TextWriter& out) : out_(out) {}

  template <class... Parts>
  void Put(const Parts&... parts) {
    out_.Put(parts...);
  }
  void PutNumber(std::uint64_t number) { out_.PutNumber(number); }

  // Control bytes can't forge a line or colour a terminal; what is not ASCII is escaped as well, as
  // it need not be UTF-8 (a refused request may hold anything).
  void PutEscaped(std::string_view text) {
    text = text.substr(0, kMaxText);
    const char* const end = text.data() + text.size();
    for (const char* rest = text.data();;) {
      const char* const stop = FindFirst(rest, end, [](Block bytes) {
        return (bytes < 0x20) | (bytes >= 0x7f) | (bytes == '"') | (bytes == '\\');
      });
      Put(std::string_view(rest, stop));
      if (stop == end) return;
      PutEscape(*stop);
      rest = stop + 1;
    }
  }

  // With leading zeros.
  void PutDigits(std::uint64_t number, std::size_t digits) {
    char* const at = out_.Claim(digits);
    for (std::size_t i = digits; i > 0; --i, number /= 10) {
      at[i - 1] = static_cast<char>('0' + number % 10);
    }
  }

  // As printf writes %.3f.
  void PutMilliseconds(Duration duration) {
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
    constexpr std::int64_t kExact = std::int64_t{1} << 50;
    if (ns < 0 || ns >= kExact || ns % 1000 == 500) {  // what a tie becomes is the double's to say
      char text[32];
      std::snprintf(text, sizeof(text), "%.3f", static_cast<double>(ns) / 1e6);
      return Put(text);
    }
    const auto us = static_cast<std::uint64_t>(ns + 500) / 1000;
    PutNumber(us / 1000);
    Put('.');
    PutDigits(us % 1000, 3);
  }

  // RFC 3339, UTC, nanoseconds.
  void PutTime(WallTime now) {
    const auto ns =
        std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
    WriteUtcSeconds(ns / 1'000'000'000, out_.Claim(kUtcSecondsSize));
    Put('.');
    PutDigits(static_cast<std::uint64_t>(ns % 1'000'000'000), 9);
    Put('Z');
  }

 private:
  void PutEscape(char c) {
    constexpr std::string_view kHex = "0123456789abcdef";
    if (c == '"' || c == '\\') {
      Put('\\');
      Put(c);
      return;
    }
    const auto byte = static_cast<unsigned char>(c);
    Put("\\u00");
    Put(kHex[byte >> 4U]);
    Put(kHex[byte & 0xfU]);
  }

  TextWriter& out_;
};

std::string_view Reason(const RequestRecord& record) {
  return record.error ? Describe(record.error->kind).reason : std::string_view();
}

std::string_view LevelOf(const RequestRecord& record) {
  if (!IsError(record)) return "info";
  return record.status >= 500 || record.status == 0 ? "error" : "warn";
}

Duration QueueTime(const RequestRecord& record) {
  return record.first_pick == TimePoint() ? Duration::zero() : record.first_pick - record.read;
}

// Members of a JSON object, `prefix` being all that stands before the value.
class JsonLine {
 public:
  explicit JsonLine(LineWriter& out) : out_(out) {}

  void Text(std::string_view prefix, std::string_view value) {
    out_.Put(prefix);
    out_.PutEscaped(value);
    out_.Put("\"");
  }
  void Number(std::string_view prefix, std::uint64_t value) {
    out_.Put(prefix);
    out_.PutNumber(value);
  }
  void Time(std::string_view prefix, Duration value) {
    out_.Put(prefix);
    out_.PutMilliseconds(value);
  }

 private:
  LineWriter& out_;
};

void WriteJson(std::string_view pool, const RequestRecord& record, WallTime now, LineWriter& out) {
  JsonLine line(out);
  out.Put(R"({"ts":")");
  out.PutTime(now);
  out.Put(R"(","level":")");
  out.Put(LevelOf(record));
  line.Text(R"(","msg":"request","request_id":")", record.request_id);
  line.Text(R"(,"trace_id":")", record.trace_id);
  line.Text(R"(,"client":")", record.client);
  line.Text(R"(,"method":")", record.method);
  line.Text(R"(,"authority":")", record.authority);
  line.Text(R"(,"path":")", record.path);
  line.Number(record.minor_version == 0 ? R"(,"protocol":"HTTP/1.0","status":)"
                                        : R"(,"protocol":"HTTP/1.1","status":)",
              record.status);
  line.Text(R"(,"reason":")", Reason(record));
  line.Text(R"(,"detail":")", record.error ? record.error->detail : std::string_view());
  line.Number(R"(,"bytes_in":)", record.bytes_in);
  line.Number(R"(,"bytes_out":)", record.bytes_out);
  line.Text(R"(,"pool":")", pool);
  line.Text(R"(,"server":")", record.server);
  line.Number(R"(,"attempts":)", record.attempts);
  line.Number(R"(,"active_at_pick":)", record.active_at_pick);
  line.Time(R"(,"t_queue_ms":)", QueueTime(record));
  line.Time(R"(,"t_connect_ms":)", record.connect);
  line.Time(R"(,"t_first_byte_ms":)", record.first_byte);
  line.Time(R"(,"t_total_ms":)", record.end - record.begin);
  out.Put("}\n");
}

std::string_view Colour(unsigned status) {
  if (status >= 500 || status == 0) return "\x1b[31m";
  if (status >= 400) return "\x1b[33m";
  return "\x1b[32m";
}

void WriteText(bool coloured, const RequestRecord& record, WallTime now, LineWriter& out) {
  out.PutTime(now);
  out.Put(" ");
  if (coloured) out.Put(Colour(record.status));
  out.PutDigits(record.status, 3);
  if (coloured) out.Put("\x1b[0m");
  out.Put(" ");
  out.PutEscaped(record.method);
  out.Put(" ");
  out.PutEscaped(record.authority);
  out.PutEscaped(record.path);
  out.Put(" -> ");
  out.Put(record.server.empty() ? std::string_view("-") : record.server);
  out.Put(" ");
  out.PutMilliseconds(record.end - record.begin);
  out.Put(" ms ");
  out.PutNumber(record.bytes_out);
  out.Put(" B");
  if (record.error) {
    out.Put(" ");
    out.Put(Reason(record));
  }
  out.Put("\n");
}

std::size_t RoomFor(std::string_view pool, const RequestRecord& record) {
  std::size_t room = kMaxRest + kMaxEscape * record.server.size();
  for (const std::string_view text :
       {pool, record.request_id, record.trace_id, record.client, record.method, record.authority,
        record.path, record.error ? record.error->detail : std::string_view()}) {
    room += kMaxEscape * std::min(text.size(), kMaxText);
  }
  return room;
}

}  // namespace

bool IsError(const RequestRecord& record) {
  return record.error.has_value() || record.status >= 500 || record.status == 0;
}

void AppendAccessLine(AccessFormat format, std::string_view pool, const RequestRecord& record,
                      WallTime now, std::string& out) {
  AppendText(out, RoomFor(pool, record), [&](TextWriter& writer) {
    LineWriter line(writer);
    if (format == AccessFormat::kJson) {
      WriteJson(pool, record, now, line);
    } else {
      WriteText(format == AccessFormat::kColouredText, record, now, line);
    }
  });
}

}  // namespace remora::proxy
