// Checks what stands between a chunk's size and the end of its line, byte by byte. Extensions go no
// further than here; their grammar is checked because parsers that differ about quotes differ about
// where the chunk begins. Pure.
#pragma once

#include <cstdint>

namespace remora::proxy::message {

// *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ), RFC 9112 section 7.1.1.
class ChunkExtension {
 public:
  // The next byte, which is not the CR of the line's end. False if it can't stand there.
  bool Accept(char c);
  // May the line end here?
  bool complete() const {
    return state_ == State::kName || state_ == State::kToken || state_ == State::kQuotedEnd;
  }

 private:
  enum class State : std::uint8_t {
    kSemicolon,   // blanks, then the `;`
    kNameStart,   // blanks, then the name
    kName,        //
    kNameEnd,     // blanks behind the name
    kValueStart,  // blanks behind the `=`
    kToken,       //
    kQuoted,      //
    kEscaped,     // behind a backslash
    kQuotedEnd    // behind the closing quote
  };

  bool AcceptSeparator(char c);

  State state_ = State::kSemicolon;
};

}  // namespace remora::proxy::message
