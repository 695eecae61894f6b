#include "proxy/message/chunk_extension.h"

#include "proxy/message/characters.h"

namespace remora::proxy::message {

bool ChunkExtension::Accept(char c) {
  switch (state_) {
    case State::kSemicolon:
      if (IsBlank(c)) return true;
      state_ = State::kNameStart;
      return c == ';';
    case State::kNameStart:
      if (IsBlank(c)) return true;
      state_ = State::kName;
      return IsTokenByte(c);
    case State::kName:
      if (IsTokenByte(c)) return true;
      if (IsBlank(c)) {
        state_ = State::kNameEnd;
        return true;
      }
      [[fallthrough]];
    case State::kNameEnd:
      if (IsBlank(c)) return true;
      if (c == '=') {
        state_ = State::kValueStart;
        return true;
      }
      return AcceptSeparator(c);
    case State::kValueStart:
      if (IsBlank(c)) return true;
      state_ = c == '"' ? State::kQuoted : State::kToken;
      return c == '"' || IsTokenByte(c);
    case State::kToken:
      return IsTokenByte(c) || AcceptSeparator(c);
    case State::kQuoted:
      if (c == '"') state_ = State::kQuotedEnd;
      if (c == '\\') state_ = State::kEscaped;
      return !IsControl(c);
    case State::kEscaped:
      state_ = State::kQuoted;
      return !IsControl(c);
    case State::kQuotedEnd:
      return AcceptSeparator(c);
  }
  return false;
}

// Between one extension and the next.
bool ChunkExtension::AcceptSeparator(char c) {
  state_ = c == ';' ? State::kNameStart : State::kSemicolon;
  return c == ';' || IsBlank(c);
}

}  // namespace remora::proxy::message
