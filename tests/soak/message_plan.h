// What a message of the soak test looks like: the client and the backends both derive it from the
// message's id, so that the client knows every byte of the right answer without being told.
//
// Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace remora::soak {

// The same numbers everywhere for the same seed.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next();
  // Bounds included.
  std::size_t Between(std::size_t low, std::size_t high);
  bool Chance(unsigned percent) { return Between(0, 99) < percent; }

 private:
  std::uint64_t state_;
};

std::string Hex(std::uint64_t number);

// A body that no other key has.
void AppendContent(std::uint64_t key, std::size_t length, std::string& out);

enum class BodyForm { kNone, kLength, kChunked };

struct RequestPlan {
  std::uint64_t id = 0;
  std::string_view method = "GET";
  BodyForm form = BodyForm::kNone;
  std::size_t body_length = 0;
  std::string trailer;  // the value of X-Checksum behind the last chunk; empty: no trailer
  bool wants_trailers = false;
  bool expects_continue = false;
  bool waits_for_continue = false;  // the body is sent only when 100 has come
  bool close = false;
  bool http10 = false;

  std::string body() const;
};

// `last`: of its pipeline, only this one may end the connection.
RequestPlan PlanRequest(Random& random, bool last);
// Returns where the body starts in `out`.
std::size_t AppendRequest(const RequestPlan& plan, Random& random, std::string& out);

// What a backend tells of the request it received, as one text that is compared whole.
struct Received {
  std::string_view method;
  bool wants_trailers = false;
  std::string trailer;
  std::string_view body;
};
std::string Describe(const Received& received);

enum class Shape {
  kLength,
  kChunked,
  kTrailers,  // chunked, with one trailer that may pass and one that may not
  kNoContent,
  kNotModified,
  kHttp10KeepAlive,
  kHttp10UntilClose,
  kUntilClose
};
inline constexpr std::size_t kShapes = 8;
std::string_view NameOf(Shape shape);

struct AnswerPlan {
  Shape shape = Shape::kLength;
  unsigned status = 200;
  std::size_t body_length = 0;
  bool close = false;           // towards the proxy
  bool names_length = false;    // Content-Length in a 304
  std::vector<unsigned> early;  // interim answers to the head alone
  std::vector<unsigned> late;   // interim answers to the whole request
  std::string trailer;          // the value of X-Checksum

  // GET-like: a body is sent unless the request was a HEAD or the status forbids it.
  bool has_body() const { return shape != Shape::kNoContent && shape != Shape::kNotModified; }
  bool http10() const {
    return shape == Shape::kHttp10KeepAlive || shape == Shape::kHttp10UntilClose;
  }
};

AnswerPlan PlanAnswer(std::uint64_t id, std::string_view method, bool expects_continue);
void AppendInterim(std::uint64_t id, unsigned status, std::string& out);
std::string AnswerBody(std::uint64_t id, std::size_t length);
void AppendAnswer(std::uint64_t id, const AnswerPlan& plan, const Received& received,
                  std::string& out);

// Where to cut the sent bytes [begin, bytes.size()): sorted positions in `bytes`.
std::vector<std::size_t> PlanCuts(std::string_view bytes, std::size_t begin, Random& random);

}  // namespace remora::soak
