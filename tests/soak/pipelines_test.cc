// Random pipelines through the whole data plane: each message gets its own answer, in order, byte
// for byte. `tests/soak/pipelines` runs it for a million messages.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "tests/soak/pipeline_backends.h"
#include "tests/soak/pipeline_clients.h"
#include "tests/support/running_proxy.h"

namespace remora::soak {
namespace {

using proxy::testing::RunningProxy;
using proxy::testing::TestSettings;

// From this many on every kind of message must have occurred.
constexpr std::uint64_t kEnough = 5'000;

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

void Print(const ClientsResult& result, const PipelineBackends& backends, double seconds) {
  std::printf(
      "%llu messages in %.1f s: %.0f messages/s; %.1f MB sent, %.1f MB received, "
      "%llu reconnects; backends:",
      static_cast<unsigned long long>(result.answered), seconds,
      static_cast<double>(result.answered) / seconds, static_cast<double>(result.bytes_sent) / 1e6,
      static_cast<double>(result.bytes_received) / 1e6,
      static_cast<unsigned long long>(result.reconnects));
  for (const std::uint64_t count : backends.requests()) {
    std::printf(" %llu", static_cast<unsigned long long>(count));
  }
  std::printf(" requests on %llu connections\n ",
              static_cast<unsigned long long>(backends.connections()));
  for (const auto& [kind, count] : result.counts) {
    std::printf(" %s %llu,", kind.c_str(), static_cast<unsigned long long>(count));
  }
  std::printf(" wrong %d\n", result.failure.empty() ? 0 : 1);
}

TEST(PipelinesTest, EveryMessageGetsItsOwnAnswerInOrder) {
  const std::uint64_t messages = FromEnvironment("REMORA_SOAK_MESSAGES", 20'000);
  const std::uint64_t seed = FromEnvironment("REMORA_SOAK_SEED", std::random_device()());
  std::printf("seed %llu (replay: tests/soak/pipelines %llu %llu)\n",
              static_cast<unsigned long long>(seed), static_cast<unsigned long long>(messages),
              static_cast<unsigned long long>(seed));
  std::fflush(stdout);

  PipelineBackends backends(3);
  RunningProxy proxy(TestSettings(2));
  int number = 0;
  for (const std::string& url : backends.urls()) {
    proxy.AddActive("s" + std::to_string(++number), url, {});
  }
  PipelineClients clients(
      {.port = proxy.port(), .seed = seed, .messages = messages, .connections = 12, .problem = [&] {
         return backends.problem();
       }});
  const auto start = std::chrono::steady_clock::now();
  const ClientsResult result = clients.Run();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  Print(result, backends, took.count());
  EXPECT_TRUE(result.failure.empty()) << "seed " << seed << ": " << result.failure;
  EXPECT_EQ(result.answered, messages);
  if (messages < kEnough || !result.failure.empty()) return;
  // Nothing of what is meant to be mixed is missing.
  for (const char* kind : {"GET",
                           "HEAD",
                           "DELETE",
                           "POST",
                           "PUT",
                           "body sized",
                           "body chunked",
                           "body with trailer",
                           "Expect",
                           "waited for 100",
                           "TE: trailers",
                           "Connection: close",
                           "HTTP/1.0",
                           "interim answers",
                           "answer sized",
                           "answer chunked",
                           "answer trailers",
                           "answer 204",
                           "answer 304",
                           "answer 1.0 keep-alive",
                           "answer 1.0 until close",
                           "answer until close"}) {
    EXPECT_GT(result.counts.contains(kind) ? result.counts.at(kind) : 0, 0u) << kind;
  }
  for (const std::uint64_t count : backends.requests()) EXPECT_GT(count, messages / 10);
  EXPECT_TRUE(proxy.WaitForIdle());
}

}  // namespace
}  // namespace remora::soak
