// Takes HTTP/1 messages off a stream of bytes, piece by piece as they come, for both ends of the
// soak test. Strict about lines and framing; shares no code with the proxy. What a head means for
// its body is the owner's to say.
//
// One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace remora::soak {

enum class Framing { kNone, kLength, kChunked, kUntilClose };

class MessageReader {
 public:
  enum class Event {
    kNeedMore,
    kHead,  // the head is there; StartBody or Reset is due
    kEnd,   // the message is there; Reset is due
    kBad    // see problem()
  };

  // Takes bytes from the front of `bytes` until something has happened or they are used up.
  Event Read(std::string_view& bytes);
  void StartBody(Framing framing, std::uint64_t length);
  // The stream has ended; true if that is the end of a message.
  bool EndsHere() const { return state_ == State::kUntilClose; }
  // No byte of a message has been read.
  bool idle() const { return state_ == State::kHead && head_.empty(); }
  void Reset();

  std::string_view start() const { return start_; }
  const std::string& head() const { return head_; }
  // Several are joined with '|'; empty if there is none.
  std::string Field(std::string_view name) const;
  bool Has(std::string_view name) const;
  const std::string& body() const { return body_; }
  // Complete lines.
  const std::string& trailers() const { return trailers_; }
  const std::string& problem() const { return problem_; }

 private:
  enum class State {
    kHead,
    kHeadRead,
    kLength,
    kUntilClose,
    kSize,
    kData,
    kDataEnd,
    kTrailer,
    kEnd
  };

  Event ReadHead(std::string_view& bytes);
  Event ReadChunked(std::string_view& bytes);
  bool ParseHead();
  bool ParseSize();
  bool TakeLine(std::string_view& bytes);
  void TakeData(std::string_view& bytes);
  Event Bad(std::string why);

  State state_ = State::kHead;
  std::string head_;
  std::string_view start_;
  std::vector<std::pair<std::string_view, std::string_view>> fields_;
  std::uint64_t left_ = 0;
  std::string line_;
  std::string body_;
  std::string trailers_;
  std::string problem_;
};

}  // namespace remora::soak
