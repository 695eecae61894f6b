// Writes text behind that of a string, into room that was made for all of it at once: a string's
// own appends each ask for room, 25 instructions a piece.
//
// A room that was reckoned too small ends the process: it is never written behind.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

namespace remora::proxy {

class TextWriter {
 public:
  TextWriter(char* at, char* end) : at_(at), end_(end) {}

  // Inlined, so that the size of a literal is known: 1,640 -> 1,300 instructions for the two heads
  // of a request.
  template <class... Parts>
  [[gnu::always_inline]] void Put(const Parts&... parts) {
    (PutOne(std::string_view(parts)), ...);
  }
  void Put(char c) { *Claim(1) = c; }
  void PutNumber(std::uint64_t number) {
    char digits[20];
    const char* const end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
    PutOne({digits, end});
  }

  // Room of that size, which the caller fills.
  [[gnu::always_inline]] char* Claim(std::size_t size) {
    if (size > static_cast<std::size_t>(end_ - at_)) [[unlikely]]
      std::abort();
    return std::exchange(at_, at_ + size);
  }

  char* at() const { return at_; }

 private:
  [[gnu::always_inline]] void PutOne(std::string_view text) {
    // Not memcpy: it may not be given the null pointer of an empty view.
    std::char_traits<char>::copy(Claim(text.size()), text.data(), text.size());
  }

  char* at_;
  char* end_;
};

// Appends what `write(TextWriter&)` writes, `room` bytes at most.
template <class Write>
void AppendText(std::string& out, std::size_t room, Write write) {
  const std::size_t before = out.size();
  out.resize_and_overwrite(before + room, [&](char* text, std::size_t size) {
    TextWriter writer(text + before, text + size);
    write(writer);
    return static_cast<std::size_t>(writer.at() - text);
  });
}

}  // namespace remora::proxy
