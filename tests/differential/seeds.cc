#include "tests/differential/seeds.h"

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <cstdio>

namespace remora::differential {
namespace {

constexpr std::size_t kLongestSeed = 4096;

// "\xHH" in the table is one byte; YAML reads it as a code point, which is written in two.
std::string Bytes(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if ((lead == 0xc2 || lead == 0xc3) && i + 1 < text.size()) {
      const auto next = static_cast<unsigned char>(text[++i]);
      bytes += static_cast<char>(((lead & 3) << 6) | (next & 0x3f));
    } else {
      bytes += text[i];
    }
  }
  return bytes;
}

// A string, or parts of which each is a string or {repeat: "a", times: 3}.
std::string ReadBytes(const YAML::Node& node) {
  if (node.IsScalar()) return Bytes(node.as<std::string>());
  if (node.IsMap()) {
    const std::string part = Bytes(node["repeat"].as<std::string>());
    const auto times = node["times"].as<std::uint64_t>();
    std::string bytes;
    // One that is too long is left out, so it need not be made in full.
    for (std::uint64_t i = 0; i < times && bytes.size() <= kLongestSeed; ++i) bytes += part;
    return bytes;
  }
  std::string bytes;
  for (const YAML::Node& part : node) bytes += ReadBytes(part);
  return bytes;
}

}  // namespace

std::vector<std::string> OwnSeeds() {
  return {
      "GET /plain HTTP/1.1\r\nHost: h.test\r\n\r\n",
      "GET /q?a=1&b=%20c HTTP/1.1\r\nHost: h.test\r\nAccept: */*\r\nUser-Agent: mutant/1\r\n\r\n",
      "HEAD /head HTTP/1.1\r\nHost: h.test\r\n\r\n",
      "POST /sized HTTP/1.1\r\nHost: h.test\r\nContent-Length: 5\r\n\r\nhello",
      "POST /empty HTTP/1.1\r\nHost: h.test\r\nContent-Length: 0\r\n\r\n",
      "POST /type HTTP/1.1\r\nHost: h.test\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n"
      "X-Case: 7\r\n\r\na=1&b=2\r\nxy",
      "PUT /chunked HTTP/1.1\r\nHost: h.test\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n0\r\n\r\n",
      "POST /chunks HTTP/1.1\r\nHost: h.test\r\nTransfer-Encoding: chunked\r\n\r\n"
      "1\r\na\r\n0A\r\n0123456789\r\nb\r\n0123456789\n\r\n000\r\n\r\n",
      "POST /extension HTTP/1.1\r\nHost: h.test\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;name=value\r\nhello\r\n3;a=\"b;\\\"c\";d\r\nabc\r\n0;last\r\n\r\n",
      "POST /trailers HTTP/1.1\r\nHost: h.test\r\nTE: trailers\r\nConnection: TE\r\nTrailer: "
      "ETag\r\n"
      "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nETag: \"x\"\r\nX-Checksum: 1\r\n\r\n",
      "GET /one HTTP/1.1\r\nHost: h.test\r\n\r\nGET /two HTTP/1.1\r\nHost: h.test\r\n\r\n",
      "POST /one HTTP/1.1\r\nHost: h.test\r\nContent-Length: 3\r\n\r\nabc"
      "GET /two HTTP/1.1\r\nHost: h.test\r\n\r\n",
      "POST /one HTTP/1.1\r\nHost: h.test\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
      "GET /two HTTP/1.1\r\nHost: h.test\r\n\r\n",
      "GET /one HTTP/1.1\r\nHost: h.test\r\n\r\nHEAD /two HTTP/1.1\r\nHost: h.test\r\n\r\n"
      "POST /three HTTP/1.1\r\nHost: h.test\r\nContent-Length: 4\r\n\r\nlast",
      // A body that is a request itself: whoever frames it wrongly shows it.
      "POST /hidden HTTP/1.1\r\nHost: h.test\r\nContent-Length: 45\r\n\r\n"
      "GET /smuggled HTTP/1.1\r\nHost: evil.test\r\n\r\nxx",
      "POST /hidden HTTP/1.1\r\nHost: h.test\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2d\r\nGET /smuggled HTTP/1.1\r\nHost: evil.test\r\n\r\nxx\r\n0\r\n\r\n",
      "DELETE /it/1 HTTP/1.1\r\nHost: h.test\r\n\r\n",
      "PATCH /it HTTP/1.1\r\nHost: h.test\r\nContent-Length: 2\r\nIf-Match: \"a\"\r\n\r\n{}",
      "PURGE /own-method HTTP/1.1\r\nHost: h.test\r\n\r\n",
      "OPTIONS /path HTTP/1.1\r\nHost: h.test\r\nOrigin: http://o.test\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nHost: h.test\r\n\r\n",
      "GET http://h.test/absolute?x HTTP/1.1\r\nHost: h.test\r\n\r\n",
      "GET /old HTTP/1.0\r\nHost: h.test\r\n\r\n",
      "POST /old HTTP/1.0\r\nHost: h.test\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab",
      "GET /last HTTP/1.1\r\nHost: h.test\r\nConnection: close\r\n\r\n",
      "GET /hop HTTP/1.1\r\nHost: h.test\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"
      "Keep-Alive: timeout=5\r\n\r\n",
      "POST /expect HTTP/1.1\r\nHost: h.test\r\nExpect: 100-continue\r\nContent-Length: "
      "3\r\n\r\nabc",
      "GET /upgrade HTTP/1.1\r\nHost: h.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
      "GET /port HTTP/1.1\r\nHost: h.test:8080\r\n\r\n",
      "GET /v6 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
      "GET /odd HTTP/1.1\r\nhost:h.test\r\nX-Empty:\r\nX-Text: caf\xc3\xa9 \xff\r\nX_Under: \t a b "
      "\t"
      "\r\n\r\n",
      "GET /forwarded HTTP/1.1\r\nHost: h.test\r\nX-Forwarded-For: 10.0.0.1\r\nForwarded: for=x\r\n"
      "Via: 1.0 other\r\nX-Request-ID: abc-1\r\nCookie: a=b; c=d\r\nRange: bytes=0-1\r\n\r\n",
      "GET /repeated HTTP/1.1\r\nHost: h.test\r\nAccept: a\r\nAccept: b\r\nX-A: 1\r\nX-A: "
      "2\r\n\r\n",
  };
}

std::optional<std::vector<std::string>> SeedsFromCases(const std::string& path) {
  std::vector<std::string> seeds;
  try {
    for (const YAML::Node& entry : YAML::LoadFile(path)) {
      std::string bytes = ReadBytes(entry["send"]);
      if (!bytes.empty() && bytes.size() <= kLongestSeed) seeds.push_back(std::move(bytes));
    }
  } catch (const YAML::Exception& error) {
    std::fprintf(stderr, "%s: %s\n", path.c_str(), error.what());
    return std::nullopt;
  }
  return seeds;
}

}  // namespace remora::differential
