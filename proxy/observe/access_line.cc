#include "proxy/observe/access_line.h"

#include "absl/strings/str_format.h"
#include "proxy/base/utc_time.h"

namespace remora::proxy {
namespace {

// Of what a client sent: a line must stay small whatever the path.
constexpr std::size_t kMaxText = 2048;

// RFC 3339, UTC, nanoseconds.
void AppendTime(WallTime now, std::string& out) {
  const auto ns =
      std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
  AppendUtcSeconds(ns / 1'000'000'000, out);
  absl::StrAppendFormat(&out, ".%09dZ", ns % 1'000'000'000);
}

// Control bytes can't forge a line or colour a terminal; what is not ASCII is escaped as well, as
// it need not be UTF-8 (a refused request may hold anything).
void AppendEscaped(std::string_view value, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const char c : value.substr(0, kMaxText)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) {
      out += "\\u00";
      out += kHex[byte >> 4U];
      out += kHex[byte & 0xfU];
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
}

double Milliseconds(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

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

class JsonLine {
 public:
  explicit JsonLine(std::string& out) : out_(out) {}

  void Text(std::string_view key, std::string_view value) {
    Key(key);
    out_ += '"';
    AppendEscaped(value, out_);
    out_ += '"';
  }
  void Number(std::string_view key, std::uint64_t value) {
    Key(key);
    out_ += std::to_string(value);
  }
  void Time(std::string_view key, Duration value) {
    Key(key);
    absl::StrAppendFormat(&out_, "%.3f", Milliseconds(value));
  }
  void Key(std::string_view key) {
    out_ += first_ ? "{\"" : ",\"";
    first_ = false;
    out_ += key;
    out_ += "\":";
  }

 private:
  std::string& out_;
  bool first_ = true;
};

void AppendJson(std::string_view pool, const RequestRecord& record, WallTime now,
                std::string& out) {
  JsonLine line(out);
  line.Key("ts");
  out += '"';
  AppendTime(now, out);
  out += '"';
  line.Text("level", LevelOf(record));
  line.Text("msg", "request");
  line.Text("request_id", record.request_id);
  line.Text("trace_id", record.trace_id);
  line.Text("client", record.client);
  line.Text("method", record.method);
  line.Text("authority", record.authority);
  line.Text("path", record.path);
  line.Text("protocol", record.minor_version == 0 ? "HTTP/1.0" : "HTTP/1.1");
  line.Number("status", record.status);
  line.Text("reason", Reason(record));
  line.Text("detail", record.error ? record.error->detail : std::string_view());
  line.Number("bytes_in", record.bytes_in);
  line.Number("bytes_out", record.bytes_out);
  line.Text("pool", pool);
  line.Text("server", record.server);
  line.Number("attempts", record.attempts);
  line.Number("active_at_pick", record.active_at_pick);
  line.Time("t_queue_ms", QueueTime(record));
  line.Time("t_connect_ms", record.connect);
  line.Time("t_first_byte_ms", record.first_byte);
  line.Time("t_total_ms", record.end - record.begin);
  out += "}\n";
}

std::string_view Colour(unsigned status) {
  if (status >= 500 || status == 0) return "\x1b[31m";
  if (status >= 400) return "\x1b[33m";
  return "\x1b[32m";
}

void AppendText(bool coloured, const RequestRecord& record, WallTime now, std::string& out) {
  AppendTime(now, out);
  out += ' ';
  if (coloured) out += Colour(record.status);
  absl::StrAppendFormat(&out, "%03d", record.status);
  if (coloured) out += "\x1b[0m";
  out += ' ';
  AppendEscaped(record.method, out);
  out += ' ';
  AppendEscaped(record.authority, out);
  AppendEscaped(record.path, out);
  absl::StrAppendFormat(&out, " -> %s %.3f ms %d B", record.server.empty() ? "-" : record.server,
                        Milliseconds(record.end - record.begin), record.bytes_out);
  if (record.error) absl::StrAppendFormat(&out, " %s", Reason(record));
  out += '\n';
}

}  // namespace

bool IsError(const RequestRecord& record) {
  return record.error.has_value() || record.status >= 500 || record.status == 0;
}

void AppendAccessLine(AccessFormat format, std::string_view pool, const RequestRecord& record,
                      WallTime now, std::string& out) {
  if (format == AccessFormat::kJson) return AppendJson(pool, record, now, out);
  AppendText(format == AccessFormat::kColouredText, record, now, out);
}

}  // namespace remora::proxy
