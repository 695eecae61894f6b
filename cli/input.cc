#include "cli/input.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>
#include <utility>

namespace remora::cli {

std::expected<std::string, std::string> ReadFile(const std::string& file) {
  std::ostringstream text;
  std::ifstream input(file, std::ios::binary);
  if (input) text << input.rdbuf();
  if (!input || text.bad()) {
    return std::unexpected("can't read " + file + ": " + std::strerror(errno));
  }
  return std::move(text).str();
}

Reply<std::string> ReadInput(const std::string& file) {
  if (file == "-") {
    std::ostringstream text;
    text << std::cin.rdbuf();
    return std::move(text).str();
  }
  auto text = ReadFile(file);
  if (text) return *std::move(text);
  return std::unexpected(Failure{.exit = ExitCode::kUsage,
                                 .message = "can't read " + file,
                                 .hint = "name a file that you may read, or - for stdin"});
}

std::string NameOfInput(const std::string& file) { return file == "-" ? "stdin" : file; }

}  // namespace remora::cli
