#include "tests/bench/tools/load_options.h"

#include <cstdlib>
#include <string_view>

#include "tests/bench/tools/sockets.h"

namespace remora::bench {
namespace {

constexpr const char* kUsage =
    "usage: remora_bench_load --port PORT [--connections N] [--seconds S] [--warm-up S]\n"
    "         [--requests N] [--rate PER_SECOND] [--close] [--path PATH] [--expect BYTES]\n"
    "         [--body BYTES] [--fields N] [--hold CONNECTIONS [--burst]]";

}  // namespace

LoadOptions ReadLoadOptions(int argc, char** argv) {
  LoadOptions options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--close") {
      options.close = true;
      continue;
    }
    if (name == "--burst") {
      options.burst = true;
      continue;
    }
    if (++i == argc) Die(kUsage);
    const std::string_view value = argv[i];
    if (name == "--port") {
      options.port = static_cast<std::uint16_t>(NumberOf(value, name));
    } else if (name == "--connections") {
      options.connections = NumberOf(value, name);
    } else if (name == "--seconds") {
      options.seconds = std::strtod(argv[i], nullptr);
    } else if (name == "--warm-up") {
      options.warm_up = std::strtod(argv[i], nullptr);
    } else if (name == "--requests") {
      options.requests = NumberOf(value, name);
    } else if (name == "--rate") {
      options.rate = std::strtod(argv[i], nullptr);
    } else if (name == "--hold") {
      options.hold = NumberOf(value, name);
    } else if (name == "--path") {
      options.path = value;
    } else if (name == "--expect") {
      options.expect = NumberOf(value, name);
    } else if (name == "--body") {
      options.body = NumberOf(value, name);
    } else if (name == "--fields") {
      options.fields = NumberOf(value, name);
    } else {
      Die(kUsage);
    }
  }
  if (options.port == 0 || (options.connections == 0 && options.hold == 0)) Die(kUsage);
  return options;
}

std::string MakeRequest(const LoadOptions& options) {
  std::string request = options.body > 0 ? "POST " : "GET ";
  request += options.path;
  request +=
      " HTTP/1.1\r\n"
      "Host: service.bench.test\r\n"
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
      "Accept: application/json, text/plain, */*\r\n"
      "Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n"
      "Accept-Encoding: gzip, deflate\r\n"
      "X-Request-Id: 6f2d0a1c-8c1b-4f0e-9a64-0f2f3f1d2c3b\r\n"
      "Authorization: Bearer c2lnbmVkLXdpdGgtYS1rZXktdGhhdC1ub2JvZHktaGFz\r\n"
      "Referer: http://service.bench.test/overview\r\n";
  // The ninth and all that are asked for beyond it.
  request += options.close ? "Connection: close\r\n" : "Cache-Control: no-cache\r\n";
  for (std::uint64_t i = 9; i < options.fields; ++i) {
    request += "X-Request-Field-" + std::to_string(i) + ": a value of a usual length\r\n";
  }
  if (options.body > 0) {
    request += "Content-Type: application/octet-stream\r\nContent-Length: " +
               std::to_string(options.body) + "\r\n";
  }
  request += "\r\n";
  request.append(options.body, 'x');
  return request;
}

}  // namespace remora::bench
