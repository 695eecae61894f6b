// What becomes of a message on its way through the proxy, said a second time: "What changes in a
// message" of proxy/README.md in the words of the oracle, without a line of proxy/.
//
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "tests/support/strict_http.h"

namespace remora::fuzz {

struct Route {
  std::string_view prefix;  // of the backend's URL
  std::string_view host;    // what Host says instead of what the client said; empty: the client's
};

// Each returns what is wrong about `got`, empty if nothing is. Heads only.
std::string DiffRequest(const strict::Message& sent, const strict::Message& got,
                        const Route& route);
std::string DiffResponse(const strict::Message& sent, const strict::Message& got);

// `got` holds of `sent`'s trailers only some, in the same order, and none that a receiver could
// take for more than a fact about the content.
std::string DiffTrailers(const strict::Message& sent, const strict::Message& got);

// Connection or Proxy-Connection is no list of tokens. The oracle does not look into values, the
// proxy refuses such a message.
bool HasOddConnection(const strict::Message& message);

// In ASCII.
std::string Lower(std::string_view text);

// The target of a request as the backend sees it.
std::string ForwardedTarget(const strict::Message& sent, std::string_view prefix);

// What the proxy takes and the oracle does not: a trailer that must not be there, and a framing
// field in an answer that has no body. Both go no further.
bool IsForbiddenTrailer(const strict::Parsed& parsed);
bool IsStoppedFraming(const strict::Parsed& parsed);

// Connection or Proxy-Connection is no list of tokens. The oracle does not look into values, the
// proxy refuses such a message.
bool HasOddConnection(const strict::Message& message);

// In ASCII.
std::string Lower(std::string_view text);

// The target of a request as the backend sees it.
std::string ForwardedTarget(const strict::Message& sent, std::string_view prefix);

// The oracle calls a trailer that must not be there malformed. The proxy does not refuse it, it
// stops it: the one thing that it takes and the oracle does not.
bool IsForbiddenTrailer(const strict::Parsed& parsed);

}  // namespace remora::fuzz
