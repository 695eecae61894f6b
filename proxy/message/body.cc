#include "proxy/message/body.h"

#include <algorithm>
#include <cstring>

#include "proxy/message/characters.h"
#include "proxy/message/head_parser.h"
#include "proxy/message/rules.h"

namespace remora::proxy::message {
namespace {

constexpr int kMaxSizeDigits = 15;  // below 2^60: sums can't overflow

}  // namespace

void BodyDecoder::Start(Framing framing, std::uint64_t length, Side side,
                        const BodyLimits& limits) {
  framing_ = framing;
  side_ = side;
  ended_ = framing == Framing::kNone;
  left_ = framing == Framing::kLength ? length : 0;
  if (framing != Framing::kChunked) return;
  limits_ = limits;
  total_ = 0;
  state_ = ChunkState::kSizeStart;
  extension_bytes_ = 0;
  trailer_bytes_ = 0;
  trailers_.clear();
}

std::unexpected<ProxyError> BodyDecoder::Error(Problem problem) const {
  return side_ == Side::kDownstream
             ? FailAt(problem.limit, ErrorKind::kBadRequest, side_, problem.text)
             : FailAt(problem.limit, ErrorKind::kUpstreamBadResponse, side_, problem.text,
                      Sent::kAnswered);
}

std::uint64_t BodyDecoder::wanted() const {
  if (ended_) return 0;
  return framing_ == Framing::kLength ? left_ : UINT64_MAX;
}

Result<BodyDecoder::Step> BodyDecoder::Decode(std::span<char> input) {
  switch (framing_) {
    case Framing::kNone:
      return Step{.consumed = 0, .data = 0, .end = true};
    case Framing::kLength:
      return DecodeLength(input);
    case Framing::kChunked:
      return DecodeChunked(input);
    case Framing::kUntilClose:
    case Framing::kTunnel:
      break;
  }
  return Step{.consumed = input.size(), .data = input.size(), .end = ended_};
}

Result<BodyDecoder::Step> BodyDecoder::DecodeLength(std::span<char> input) {
  const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(input.size(), left_));
  left_ -= take;
  ended_ = left_ == 0;
  return Step{.consumed = take, .data = take, .end = ended_};
}

Result<BodyDecoder::Step> BodyDecoder::DecodeChunked(std::span<char> input) {
  std::size_t in = 0;
  std::size_t out = 0;
  while (in < input.size() && !ended_) {
    if (state_ != ChunkState::kData) {
      const Problem problem = OnFramingByte(input[in++]);
      if (problem.text != nullptr) return Error(problem);
      continue;
    }
    const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(input.size() - in, left_));
    if (in != out) std::memmove(input.data() + out, input.data() + in, take);
    in += take;
    out += take;
    left_ -= take;
    total_ += take;
    if (limits_.body_bytes != 0 && total_ > limits_.body_bytes) {
      return FailAt(Limit::kBodyBytes, ErrorKind::kRequestTooLarge, side_,
                    "the body is longer than body_bytes");
    }
    if (left_ == 0) state_ = ChunkState::kDataCr;
  }
  return Step{.consumed = in, .data = out, .end = ended_};
}

BodyDecoder::Problem BodyDecoder::OnFramingByte(char c) {
  switch (state_) {
    case ChunkState::kSizeStart:
      size_digits_ = 0;
      left_ = 0;
      if (HexValue(c) < 0) return {"a chunk without a size"};
      state_ = ChunkState::kSize;
      return OnSizeByte(c);
    case ChunkState::kSize:
      return OnSizeByte(c);
    case ChunkState::kExtension:
      return OnExtensionByte(c);
    case ChunkState::kSizeLf:
      if (c != '\n') return {"a chunk size line without CRLF"};
      state_ = left_ == 0 ? ChunkState::kTrailerStart : ChunkState::kData;
      return {};
    case ChunkState::kDataCr:
      if (c != '\r') return {"chunk data without CRLF"};
      state_ = ChunkState::kDataLf;
      return {};
    case ChunkState::kDataLf:
      if (c != '\n') return {"chunk data without CRLF"};
      state_ = ChunkState::kSizeStart;
      return {};
    case ChunkState::kTrailerStart:
    case ChunkState::kTrailer:
    case ChunkState::kTrailerLf:
    case ChunkState::kEndLf:
      return OnTrailerByte(c);
    case ChunkState::kData:
      break;
  }
  return {"impossible chunk state"};
}

BodyDecoder::Problem BodyDecoder::OnSizeByte(char c) {
  if (const int digit = HexValue(c); digit >= 0) {
    if (++size_digits_ > kMaxSizeDigits) return {"a chunk size too large"};
    left_ = left_ * 16 + static_cast<unsigned>(digit);
    return {};
  }
  if (c == '\r') {
    state_ = ChunkState::kSizeLf;
    return {};
  }
  if (c != ';' && !IsBlank(c)) return {"a bad byte in a chunk size"};
  state_ = ChunkState::kExtension;
  extension_ = ChunkExtension();
  return OnExtensionByte(c);
}

BodyDecoder::Problem BodyDecoder::OnExtensionByte(char c) {
  if (c == '\r' && extension_.complete()) {
    state_ = ChunkState::kSizeLf;
    return {};
  }
  if (++extension_bytes_ > limits_.chunk_extension_bytes) {
    return {"chunk extensions longer than chunk_extension_bytes", Limit::kChunkExtensions};
  }
  if (!extension_.Accept(c)) return {"a bad byte in a chunk extension"};
  return {};
}

BodyDecoder::Problem BodyDecoder::OnTrailerByte(char c) {
  switch (state_) {
    case ChunkState::kTrailerStart:
      if (c == '\r') {
        state_ = ChunkState::kEndLf;
        return {};
      }
      line_.clear();
      state_ = ChunkState::kTrailer;
      [[fallthrough]];
    case ChunkState::kTrailer:
      if (c == '\r') {
        state_ = ChunkState::kTrailerLf;
        return {};
      }
      if (++trailer_bytes_ > limits_.trailer_bytes) {
        return {"trailers longer than trailer_bytes", Limit::kTrailers};
      }
      if (IsControl(c)) return {"a control byte in a trailer"};
      line_ += c;
      return {};
    case ChunkState::kTrailerLf:
      if (c != '\n') return {"a trailer line without CRLF"};
      state_ = ChunkState::kTrailerStart;
      return EndTrailerLine();
    default:
      if (c != '\n') return {"the last chunk without CRLF"};
      ended_ = true;
      return {};
  }
}

BodyDecoder::Problem BodyDecoder::EndTrailerLine() {
  const auto field = ParseFieldLine(line_);
  if (!field) return {"a bad trailer line"};
  if (TrailerMayPass(*field)) {
    trailers_ += line_;
    trailers_ += "\r\n";
  }
  return {};
}

Result<void> BodyDecoder::OnEndOfStream() {
  if (framing_ == Framing::kUntilClose || framing_ == Framing::kTunnel) ended_ = true;
  if (ended_) return {};
  if (side_ == Side::kDownstream) {
    return Fail(ErrorKind::kClientClosed, side_, "the client left in the middle of the body");
  }
  return Fail(ErrorKind::kUpstreamClosedEarly, side_, "the backend left in the middle of the body",
              Sent::kAnswered);
}

}  // namespace remora::proxy::message
