#include "proxy/base/utc_time.h"

#include <array>
#include <chrono>

namespace remora::proxy {
namespace {

char* WriteDigits(unsigned number, int digits, char* out) {
  for (int i = digits - 1; i >= 0; --i, number /= 10) out[i] = static_cast<char>('0' + number % 10);
  return out + digits;
}

}  // namespace

char* WriteUtcSeconds(std::time_t time, char* out) {
  const std::chrono::sys_seconds seconds{std::chrono::seconds(time)};
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const auto second = static_cast<unsigned>((seconds - day).count());
  out = WriteDigits(static_cast<unsigned>(static_cast<int>(date.year())), 4, out);
  *out++ = '-';
  out = WriteDigits(static_cast<unsigned>(date.month()), 2, out);
  *out++ = '-';
  out = WriteDigits(static_cast<unsigned>(date.day()), 2, out);
  *out++ = 'T';
  out = WriteDigits(second / 3600, 2, out);
  *out++ = ':';
  out = WriteDigits(second / 60 % 60, 2, out);
  *out++ = ':';
  return WriteDigits(second % 60, 2, out);
}

void AppendUtcSeconds(std::time_t time, std::string& out) {
  std::array<char, kUtcSecondsSize> text;
  out.append(text.data(), WriteUtcSeconds(time, text.data()));
}

}  // namespace remora::proxy
