#include "cli/input.h"

#include <fstream>
#include <iostream>
#include <sstream>

namespace remora::cli {

Reply<std::string> ReadInput(const std::string& file) {
  std::ostringstream text;
  if (file == "-") {
    text << std::cin.rdbuf();
    return std::move(text).str();
  }
  std::ifstream input(file, std::ios::binary);
  if (input) text << input.rdbuf();
  if (!input || text.bad()) {
    return std::unexpected(Failure{.exit = ExitCode::kUsage,
                                   .message = "can't read " + file,
                                   .hint = "name a file that you may read, or - for stdin"});
  }
  return std::move(text).str();
}

std::string NameOfInput(const std::string& file) { return file == "-" ? "stdin" : file; }

}  // namespace remora::cli
