// A strict reader of HTTP/1 messages for tests: the oracle that says what bytes mean.
//
// It is deliberately independent of proxy/message: no line of code is shared, whole messages are
// read from the start each time, and clarity comes before speed. It takes only what RFC 9110 and
// RFC 9112 let a sender generate, with the strict branch wherever a recipient has a choice; the one
// exception are blanks around ";" and "=" in chunk extensions, which every recipient must take.
// CONNECT is malformed to it, as nobody here opens such a tunnel. A fault of a single byte is found
// with that byte, one of a target or a field at its end, one of several fields at the end of the
// head or the trailers. What it calls malformed must never leave the proxy. Pure; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace remora::strict {

struct Field {
  std::string name;
  std::string value;  // without blanks around it
  bool operator==(const Field&) const = default;
};

enum class Framing { kNone, kLength, kChunked, kUntilClose, kTunnel };

struct Message {
  std::string start;   // request line or status line, without CRLF
  std::string method;  // requests
  std::string target;  // requests
  unsigned minor_version = 1;
  unsigned status = 0;  // responses
  std::string reason;   // responses
  std::vector<Field> fields;
  Framing framing = Framing::kNone;
  std::string body;  // without chunk framing
  std::vector<Field> trailers;

  // The value of the only field of that name (any case); nullopt if there is none, all of them
  // joined with '|' if there are several.
  std::optional<std::string> Get(std::string_view name) const;
  bool HasToken(std::string_view field_name, std::string_view token) const;
};

enum class Outcome {
  kIncomplete,  // so far everything is well-formed, but the message is not whole
  kMalformed,   // no continuation makes it a valid message
  kComplete
};

struct Parsed {
  Outcome outcome = Outcome::kIncomplete;
  std::size_t size = 0;  // kComplete: bytes that the message took
  Message message;       // as far as it was read; the head is whole if head_complete
  bool head_complete = false;
  std::string problem;  // kMalformed: what is wrong, with the section of the RFC
};

// One request at the start of `bytes`.
Parsed ParseRequest(std::string_view bytes);

// One response (interim responses are messages of their own) at the start of `bytes`, as an answer
// to a request with `method`. `ended`: the stream ended behind `bytes`. After a 101 the framing is
// kTunnel and the message ends with its head.
Parsed ParseResponse(std::string_view bytes, std::string_view method, bool ended);

// All requests in `bytes`, one after the other. `rest`: why the last one is not complete.
struct Sequence {
  std::vector<Message> messages;
  Outcome rest = Outcome::kComplete;  // kComplete: the bytes end where a message ends
  std::string problem;
};
Sequence ParseRequests(std::string_view bytes);

}  // namespace remora::strict
