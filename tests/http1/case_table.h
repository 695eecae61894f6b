// The tables of cases under tests/http1/cases as C++ values: what a client or a backend sends, and
// what must come of it. The Python readers of the same files know the same format.
//
// Values; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/recording_backend.h"

namespace remora::http1 {

struct CaseOrigin {
  std::string name;
  std::string rfc;
  std::string level;  // must, should or policy
  std::string why;
};

// What is asked of a message that arrives. Lines are "Name: value" with the case of the name; a
// name alone in `has` asks for a field of that name, whatever its case and value.
struct ExpectedMessage {
  std::vector<std::string> has;
  std::vector<std::string> lacks;  // names in any case
  std::optional<std::string> body;
  std::vector<std::string> trailers;
};

struct ExpectedRequest : ExpectedMessage {
  std::string line;
};

struct RequestCase : CaseOrigin {
  std::string send;
  bool half_close = false;  // the client, after sending

  // kBroken: the backend may have seen a part of the last request, and the client need not get
  // the answer.
  enum class Kind { kAnswered, kBroken };
  Kind kind = Kind::kAnswered;
  std::vector<ExpectedRequest> forwarded;
  std::vector<unsigned> answers;
  bool refused = false;  // the backend sees no byte
  bool closed = false;
};

struct ResponseCase : CaseOrigin {
  std::string request;
  std::string answer;
  strict::RecordingBackend::Then then = strict::RecordingBackend::Then::kKeep;

  unsigned status = 0;
  std::vector<unsigned> interim;
  ExpectedMessage message;
  bool cut = false;
  std::optional<bool> closed;
  bool reused = true;
};

template <class Case>
struct CaseTable {
  std::vector<Case> cases;
  std::vector<std::string> problems;  // of the file itself, with line numbers
};

CaseTable<RequestCase> ReadRequestCases();
CaseTable<ResponseCase> ReadResponseCases();

}  // namespace remora::http1
