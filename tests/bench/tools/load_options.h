// What remora_bench_load is asked to do.
#pragma once

#include <cstdint>
#include <string>

namespace remora::bench {

struct LoadOptions {
  std::uint16_t port = 0;
  std::uint64_t connections = 64;
  double seconds = 2;          // that are measured
  double warm_up = 0.3;        // seconds before them
  std::uint64_t requests = 0;  // if given: so many in all, instead of a time
  double rate = 0;             // requests a second; 0: as fast as the answers come
  bool close = false;          // a connection for each request
  std::uint64_t hold = 0;      // connections that stay open, idle
  bool burst = false;          // all of them ask at once
  std::string path = "/";
  std::uint64_t expect = 100;  // bytes in the body of each answer
  std::uint64_t body = 0;      // of each request, which is a POST then
  std::uint64_t fields = 9;    // in the head of each request
};

LoadOptions ReadLoadOptions(int argc, char** argv);

// The request that all connections send.
std::string MakeRequest(const LoadOptions& options);

}  // namespace remora::bench
