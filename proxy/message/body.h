// Takes the framing off a body as its bytes come in: by length, chunked, until the end of the
// stream. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "proxy/base/error.h"
#include "proxy/base/settings.h"
#include "proxy/message/chunk_extension.h"
#include "proxy/message/head.h"

namespace remora::proxy::net {
class Pipe;
}  // namespace remora::proxy::net

namespace remora::proxy::message {

// A stretch of a body. `trailers` are whole lines with their CRLF, already filtered. Of a body with
// a length it may be in a pipe of the kernel instead of in `data`.
struct BodyPiece {
  std::string_view data = {};
  bool end = false;
  std::string_view trailers = {};
  std::string_view more = {};  // behind `data`; only where that came with the head
  net::Pipe* pipe = nullptr;
  std::size_t pipe_bytes = 0;

  std::size_t size() const { return data.size() + more.size() + pipe_bytes; }
  bool empty() const { return size() == 0; }
};

struct BodyLimits {
  std::uint64_t body_bytes = 0;              // 0: none
  std::size_t chunk_extension_bytes = 4096;  // a message, all its chunks together
  std::size_t trailer_bytes = 8192;
};

inline BodyLimits BodyLimitsOf(const LimitSettings& settings) {
  return {.body_bytes = settings.body_bytes,
          .chunk_extension_bytes = settings.chunk_extension_bytes,
          .trailer_bytes = settings.trailer_bytes};
}

class BodyDecoder {
 public:
  struct Step {
    std::size_t consumed = 0;  // of the input; the rest belongs to the next message
    std::size_t data = 0;      // bytes of body, now at the front of the input
    bool end = false;
  };

  BodyDecoder() = default;
  // Errors name `side`: kBadRequest for a client's framing, kUpstreamBadResponse for a backend's.
  BodyDecoder(Framing framing, std::uint64_t length, Side side, const BodyLimits& limits) {
    Start(framing, length, side, limits);
  }
  // Makes it ready for the next body.
  void Start(Framing framing, std::uint64_t length, Side side, const BodyLimits& limits);

  // Takes as much of `input` as belongs to the message and moves the body's bytes to its front, so
  // that they lie in one piece whatever chunks they came in.
  Result<Step> Decode(std::span<char> input);

  // So many bytes of a body with a length went another way; at most wanted().
  void Skip(std::size_t bytes) {
    left_ -= bytes;
    ended_ = left_ == 0;
  }

  // The stream ended. An error where the message is incomplete (RFC 9112 section 8).
  Result<void> OnEndOfStream();

  bool ended() const { return ended_; }
  // The most bytes that may be read without taking any of the next message.
  std::uint64_t wanted() const;
  // Trailer lines that may pass, each with CRLF; complete once ended().
  std::string_view trailers() const {
    return framing_ == Framing::kChunked ? std::string_view(trailers_) : std::string_view();
  }

 private:
  enum class ChunkState : std::uint8_t {
    kSizeStart,
    kSize,
    kExtension,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailerStart,
    kTrailer,
    kTrailerLf,
    kEndLf
  };

  Result<Step> DecodeLength(std::span<char> input);
  Result<Step> DecodeChunked(std::span<char> input);
  // What is wrong with a byte of chunk framing; no text: nothing is.
  struct Problem {
    const char* text = nullptr;
    Limit limit = Limit::kNone;
  };
  Problem OnFramingByte(char c);
  Problem OnSizeByte(char c);
  Problem OnExtensionByte(char c);
  Problem OnTrailerByte(char c);
  Problem EndTrailerLine();
  std::unexpected<ProxyError> Error(Problem problem) const;

  Framing framing_ = Framing::kNone;
  Side side_ = Side::kDownstream;
  bool ended_ = true;
  std::uint64_t left_ = 0;  // kLength: of the body; kChunked: of the chunk

  // Of chunks only; what an earlier body has left behind is not touched for others.
  BodyLimits limits_;
  std::uint64_t total_ = 0;  // body bytes so far
  ChunkState state_ = ChunkState::kSizeStart;
  int size_digits_ = 0;
  ChunkExtension extension_;
  std::size_t extension_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::string line_;  // the trailer line that is being read
  std::string trailers_;
};

}  // namespace remora::proxy::message
