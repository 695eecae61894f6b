// Plays cases of the tables through the proxy and says what is not as it should be.
//
// For one thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/http1/case_table.h"
#include "tests/http1/stage.h"

namespace remora::http1 {

// How the bytes of a case reach the proxy.
enum class Way { kWhole, kBytes, kCuts };

std::string_view NameOf(Way way);

// The pieces to send one by one. kBytes: those of more than 8 KiB have their middle in one piece.
// kCuts: at random places, the same ones for the same `seed`.
std::vector<std::string> CutUp(std::string_view bytes, Way way, std::string_view seed);

class Player {
 public:
  // Empty if all is well; else all that is wrong, with the bytes.
  std::string Play(const RequestCase& request_case, Way way);
  std::string Play(const ResponseCase& response_case, Way way);

 private:
  Stage stage_;
};

// What `message` lacks of what is expected, each as a sentence that begins with `who`.
void CheckMessage(std::string_view who, const ExpectedMessage& expected,
                  const strict::Message& message, std::vector<std::string>& problems);

// `problems` with the bytes of both sides, or "" if there are none.
std::string Report(const std::vector<std::string>& problems, std::string_view sent,
                   const Client& client, const Seen& seen);

}  // namespace remora::http1
