#include "tests/soak/message_plan.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace remora::soak {
namespace {

constexpr std::uint64_t kRequestKey = 0x5EED'0000'0000'0001;
constexpr std::uint64_t kAnswerKey = 0x5EED'0000'0000'0002;
constexpr std::uint64_t kAnswerFormKey = 0x5EED'0000'0000'0003;
// Far below the proxy's limit of 4 KiB for the extensions of a body.
constexpr int kMostExtensions = 40;
constexpr int kMostChunks = 64;

// splitmix64, public domain.
std::uint64_t Mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58'476D'1CE4'E5B9;
  x = (x ^ (x >> 27)) * 0x94D0'49BB'1331'11EB;
  return x ^ (x >> 31);
}

constexpr std::uint64_t kStep = 0x9E37'79B9'7F4A'7C15;

// Most bodies are short, some fill the proxy's buffers of 16 KiB and 128 KiB to the brim and over.
std::size_t PickLength(Random& random, std::size_t most) {
  const std::size_t dice = random.Between(0, 99);
  if (dice < 15) return 0;
  if (dice < 60) return random.Between(1, 300);
  if (dice < 84) return random.Between(1, 4'000);
  if (dice < 94) return random.Between(15'900, 16'900);
  if (dice < 99) return random.Between(1, 40 * 1024);
  return random.Between(1, most);
}

void AppendFiller(Random& random, std::string& out) {
  const std::size_t dice = random.Between(0, 99);
  if (dice < 70) return;
  const std::size_t length = dice < 90   ? random.Between(0, 200)
                             : dice < 98 ? random.Between(0, 2'000)
                                         : random.Between(0, 20'000);
  out += "X-Filler: ";
  out.append(length, static_cast<char>('a' + length % 26));
  out += "\r\n";
}

void AppendExtension(Random& random, std::string& out) {
  static constexpr std::array<std::string_view, 5> kExtensions = {
      ";a", ";name=value", ";q=\"\"", ";q=\"a;b\\\" \\\\\t,=\"", ";one;two=2;three=\"3\""};
  out += kExtensions[random.Between(0, kExtensions.size() - 1)];
}

void AppendSize(std::size_t size, Random& random, std::string& out) {
  char digits[20];
  std::size_t count = 0;
  do {
    digits[count++] = (random.Chance(50) ? "0123456789abcdef" : "0123456789ABCDEF")[size % 16];
    size /= 16;
  } while (size != 0);
  if (random.Chance(5)) out += "000";
  while (count != 0) out += digits[--count];
}

// `trailers`: complete lines.
void AppendChunks(std::string_view body, std::string_view trailers, Random& random,
                  std::string& out) {
  static constexpr std::array<std::size_t, 4> kLongest = {16, 500, 9'000, 200'000};
  const std::size_t longest = kLongest[random.Between(0, kLongest.size() - 1)];
  const bool extended = random.Chance(30);
  int extensions = 0;
  for (int chunks = 1; !body.empty(); ++chunks) {
    const std::size_t length =
        chunks == kMostChunks ? body.size() : std::min(body.size(), random.Between(1, longest));
    AppendSize(length, random, out);
    if (extended && random.Chance(50) && ++extensions < kMostExtensions) {
      AppendExtension(random, out);
    }
    out += "\r\n";
    out += body.substr(0, length);
    out += "\r\n";
    body.remove_prefix(length);
  }
  out += "0";
  if (extended && random.Chance(30)) AppendExtension(random, out);
  out += "\r\n";
  out += trailers;
  out += "\r\n";
}

std::string Digest(std::string_view body) {
  std::uint64_t sum = Mix(kStep + body.size());
  for (std::size_t at = 0; at < body.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, body.data() + at, std::min<std::size_t>(8, body.size() - at));
    sum = Mix(sum ^ word);
  }
  return std::to_string(body.size()) + "-" + Hex(sum);
}

std::string_view PickMethod(Random& random) {
  const std::size_t dice = random.Between(0, 99);
  if (dice < 36) return "GET";
  if (dice < 46) return "HEAD";
  if (dice < 54) return "DELETE";
  return dice < 80 ? "POST" : "PUT";
}

Shape PickShape(Random& random, bool expects_continue) {
  const std::size_t dice = random.Between(0, 99);
  if (dice < 38) return Shape::kLength;
  if (dice < 58) return Shape::kChunked;
  if (dice < 70) return Shape::kTrailers;
  if (dice < 78) return Shape::kNoContent;
  if (dice < 87) return Shape::kNotModified;
  if (dice < 91) return Shape::kUntilClose;
  // A server of HTTP/1.0 would not have sent the 100 that was asked for.
  if (expects_continue) return Shape::kLength;
  return dice < 96 ? Shape::kHttp10KeepAlive : Shape::kHttp10UntilClose;
}

void AppendAnswerHead(std::uint64_t id, const AnswerPlan& plan, const Received& received,
                      Random& random, std::string& out) {
  out += plan.http10() ? "HTTP/1.0 " : "HTTP/1.1 ";
  out += std::to_string(plan.status);
  out += " Fine\r\nX-Id: " + Hex(id) + "\r\n";
  AppendFiller(random, out);
  out += "X-Received: " + Describe(received) + "\r\n";
  switch (plan.shape) {
    case Shape::kLength:
    case Shape::kHttp10KeepAlive:
      out += "Content-Length: " + std::to_string(plan.body_length) + "\r\n";
      break;
    case Shape::kTrailers:
      out += "Trailer: X-Checksum\r\n";
      [[fallthrough]];
    case Shape::kChunked:
      out += "Transfer-Encoding: chunked\r\n";
      break;
    case Shape::kNotModified:
      if (plan.names_length) {
        out += "Content-Length: " + std::to_string(plan.body_length) + "\r\n";
      }
      break;
    case Shape::kNoContent:
    case Shape::kHttp10UntilClose:
    case Shape::kUntilClose:
      break;
  }
  if (plan.shape == Shape::kHttp10KeepAlive && !plan.close) out += "Connection: keep-alive\r\n";
  if (!plan.http10() && plan.close) out += "Connection: close\r\n";
  out += "\r\n";
}

}  // namespace

std::uint64_t Random::Next() { return Mix(state_ += kStep); }

std::size_t Random::Between(std::size_t low, std::size_t high) {
  return low + static_cast<std::size_t>(Next() % (high - low + 1));
}

std::string Hex(std::uint64_t number) {
  std::string text(16, '0');
  for (std::size_t i = 16; i-- > 0; number /= 16) text[i] = "0123456789abcdef"[number % 16];
  return text;
}

void AppendContent(std::uint64_t key, std::size_t length, std::string& out) {
  const std::size_t begin = out.size();
  out.resize(begin + length);
  for (std::size_t at = 0; at < length; at += 8) {
    const std::uint64_t word = Mix(key + at * kStep);
    std::memcpy(out.data() + begin + at, &word, std::min<std::size_t>(8, length - at));
  }
}

std::string RequestPlan::body() const {
  std::string text;
  AppendContent(id ^ kRequestKey, body_length, text);
  return text;
}

RequestPlan PlanRequest(Random& random, bool last) {
  RequestPlan plan;
  plan.id = random.Next();
  plan.method = PickMethod(random);
  plan.wants_trailers = random.Chance(25);
  plan.close = last && random.Chance(8);
  plan.http10 = last && !plan.close && random.Chance(3);
  const bool needs_body = plan.method == "POST" || plan.method == "PUT";
  if (needs_body || (plan.method == "DELETE" && random.Chance(20))) {
    plan.form = !plan.http10 && random.Chance(50) ? BodyForm::kChunked : BodyForm::kLength;
    plan.body_length = PickLength(random, 40 * 1024);
    if (plan.form == BodyForm::kChunked && random.Chance(25)) plan.trailer = Hex(random.Next());
    plan.expects_continue = !plan.http10 && random.Chance(15);
    plan.waits_for_continue = plan.expects_continue && random.Chance(50);
  }
  return plan;
}

std::size_t AppendRequest(const RequestPlan& plan, Random& random, std::string& out) {
  const std::string id = Hex(plan.id);
  out += plan.method;
  out += " /m/" + id + "?x=" + std::string(random.Between(0, 30), 'y');
  out += plan.http10 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n";
  out += "Host: soak.test\r\n";
  AppendFiller(random, out);
  out += "X-Id: " + id + "\r\n";
  if (plan.expects_continue) out += "Expect: 100-continue\r\n";
  if (plan.wants_trailers) out += "TE: trailers\r\n";
  if (plan.wants_trailers && plan.close) {
    out += "Connection: TE, close\r\n";
  } else if (plan.wants_trailers || plan.close) {
    out += plan.close ? "Connection: close\r\n" : "Connection: TE\r\n";
  }
  if (plan.form == BodyForm::kLength) {
    out += "Content-Length: " + std::to_string(plan.body_length) + "\r\n";
  } else if (plan.form == BodyForm::kChunked) {
    out += "Transfer-Encoding: chunked\r\n";
  }
  out += "\r\n";
  const std::size_t body_start = out.size();
  if (plan.form == BodyForm::kLength) out += plan.body();
  if (plan.form == BodyForm::kChunked) {
    const std::string trailers = plan.trailer.empty() ? "" : "X-Checksum: " + plan.trailer + "\r\n";
    AppendChunks(plan.body(), trailers, random, out);
  }
  return body_start;
}

std::string Describe(const Received& received) {
  std::string text(received.method);
  text += received.wants_trailers ? " te " : " - ";
  text += Digest(received.body) + " ";
  text += received.trailer.empty() ? "-" : received.trailer;
  return text;
}

std::string_view NameOf(Shape shape) {
  static constexpr std::array<std::string_view, kShapes> kNames = {
      "sized", "chunked",        "trailers",        "204",
      "304",   "1.0 keep-alive", "1.0 until close", "until close"};
  return kNames[static_cast<std::size_t>(shape)];
}

AnswerPlan PlanAnswer(std::uint64_t id, std::string_view method, bool expects_continue) {
  Random random(id ^ kAnswerFormKey);
  AnswerPlan plan;
  plan.shape = PickShape(random, expects_continue);
  const bool reads = method == "GET" || method == "HEAD";
  if (plan.shape == Shape::kNotModified && !reads) plan.shape = Shape::kLength;
  plan.status = plan.shape == Shape::kNoContent ? 204
                : plan.shape == Shape::kNotModified
                    ? 304
                    : 200 + static_cast<unsigned>(random.Between(0, 3));
  plan.body_length = PickLength(random, 300 * 1024);
  plan.names_length = random.Chance(50);
  plan.close = random.Chance(4) || plan.shape == Shape::kUntilClose ||
               plan.shape == Shape::kHttp10UntilClose;
  plan.trailer = Hex(random.Next());
  if (expects_continue) plan.early.push_back(100);
  if (plan.http10() || !random.Chance(25)) return plan;
  for (std::size_t left = random.Between(1, 3); left != 0; --left) {
    (random.Chance(50) ? plan.early : plan.late).push_back(random.Chance(60) ? 103 : 100);
  }
  return plan;
}

void AppendInterim(std::uint64_t id, unsigned status, std::string& out) {
  if (status == 100) {
    out += "HTTP/1.1 100 Continue\r\n\r\n";
  } else {
    out += "HTTP/1.1 103 Early Hints\r\nX-Id: " + Hex(id) + "\r\n\r\n";
  }
}

std::string AnswerBody(std::uint64_t id, std::size_t length) {
  std::string text;
  AppendContent(id ^ kAnswerKey, length, text);
  return text;
}

void AppendAnswer(std::uint64_t id, const AnswerPlan& plan, const Received& received,
                  std::string& out) {
  Random random(id ^ kAnswerKey);
  AppendAnswerHead(id, plan, received, random, out);
  if (received.method == "HEAD" || !plan.has_body()) return;
  const std::string body = AnswerBody(id, plan.body_length);
  if (plan.shape == Shape::kChunked) {
    AppendChunks(body, "", random, out);
  } else if (plan.shape == Shape::kTrailers) {
    const std::string trailers =
        "X-Checksum: " + plan.trailer + "\r\nX-Secret: " + plan.trailer + "\r\n";
    AppendChunks(body, trailers, random, out);
  } else {
    out += body;
  }
}

std::vector<std::size_t> PlanCuts(std::string_view bytes, std::size_t begin, Random& random) {
  std::vector<std::size_t> cuts;
  const std::size_t end = bytes.size();
  const std::size_t dice = random.Between(0, 99);
  if (dice < 40 || end - begin < 2) return cuts;
  if (dice < 65) {  // anywhere
    for (std::size_t left = random.Between(1, 6); left != 0; --left) {
      cuts.push_back(random.Between(begin + 1, end - 1));
    }
  } else if (dice < 82) {  // about the ends of lines
    for (std::size_t left = random.Between(1, 6); left != 0; --left) {
      const std::size_t line_end = bytes.find('\n', random.Between(begin, end - 1));
      if (line_end != std::string_view::npos) cuts.push_back(line_end + random.Between(0, 2));
    }
  } else if (dice < 93) {  // small pieces for a while
    std::size_t at = random.Between(begin, end - 1);
    for (int left = 40; left != 0; --left) cuts.push_back(at += random.Between(1, 64));
  } else {  // byte by byte for a while
    std::size_t at = random.Between(begin, end - 1);
    for (int left = 80; left != 0; --left) cuts.push_back(++at);
  }
  std::ranges::sort(cuts);
  return cuts;
}

}  // namespace remora::soak
