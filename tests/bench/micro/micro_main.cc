// Micro-benchmarks of the parts of a request that touch no socket.
//   usage: remora_bench_micro [--benchmark_filter=REGEX]
#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "proxy/message/rules.h"
#include "tests/bench/micro/request_path.h"

namespace remora::bench {
namespace {

namespace message = proxy::message;
using message::RequestHead;
using message::ResponseHead;

std::size_t Fields(const benchmark::State& state) {
  return static_cast<std::size_t>(state.range());
}

// ---- heads: the argument is how many fields they have -------------------------------------------

void ParseRequest(benchmark::State& state) {
  const std::string bytes = RequestBytes(Fields(state));
  message::HeadScanner scanner;
  for (auto _ : state) {
    RequestHead head;
    scanner.Reset();
    auto parsed = message::ParseRequestHead(scanner, bytes, {}, head);
    benchmark::DoNotOptimize(parsed);
    benchmark::DoNotOptimize(head);
  }
}
BENCHMARK(ParseRequest)->Arg(9)->Arg(33);

void ParseResponse(benchmark::State& state) {
  const std::string bytes = ResponseBytes(Fields(state));
  message::HeadScanner scanner;
  for (auto _ : state) {
    ResponseHead head;
    scanner.Reset();
    auto parsed = message::ParseResponseHead(scanner, bytes, {}, head);
    benchmark::DoNotOptimize(parsed);
    benchmark::DoNotOptimize(head);
  }
}
BENCHMARK(ParseResponse)->Arg(10)->Arg(33);

void ReadRequest(benchmark::State& state) {
  RequestPath path({.request_fields = Fields(state)});
  for (auto _ : state) {
    RequestHead head;
    path.ReadRequest(head);
    benchmark::DoNotOptimize(head);
  }
}
BENCHMARK(ReadRequest)->Name("ParseAndCheckRequest")->Arg(9)->Arg(33);

void ReadResponse(benchmark::State& state) {
  RequestPath path({.response_fields = Fields(state)});
  const RequestHead request;
  for (auto _ : state) {
    ResponseHead head;
    path.ReadResponse(request, head);
    benchmark::DoNotOptimize(head);
  }
}
BENCHMARK(ReadResponse)->Name("ParseAndCheckResponse")->Arg(10)->Arg(33);

constexpr std::string_view kRequestId = "0b0e7a3e-8f7c-4d63-9a55-3a4f6c2c1d5e";

void WriteRequest(benchmark::State& state) {
  RequestPath path({.request_fields = Fields(state)});
  RequestHead head;
  path.ReadRequest(head);
  const proxy::Backend& backend = *path.backends().set().backends.front();
  for (auto _ : state) path.WriteRequest(head, backend, kRequestId);
}
BENCHMARK(WriteRequest)->Arg(9)->Arg(33);

void WriteResponse(benchmark::State& state) {
  RequestPath path({.response_fields = Fields(state)});
  const RequestHead request;
  ResponseHead head;
  path.ReadResponse(request, head);
  for (auto _ : state) path.WriteResponse(request, head, kRequestId);
}
BENCHMARK(WriteResponse)->Arg(10)->Arg(33);

// ---- what is kept of a request ------------------------------------------------------------------

// The argument: backends, all idle.
void Pick(benchmark::State& state) {
  proxy::ServerTable table(1);
  const Backends backends(static_cast<std::size_t>(state.range()), table);
  proxy::LeastActive balancer;
  for (auto _ : state) {
    auto picked = balancer.Pick(backends.set(), {});
    benchmark::DoNotOptimize(picked);
  }
}
BENCHMARK(Pick)->Arg(1)->Arg(64)->Arg(1000);

// As Pick, with a request running on each, so that no early end of the scan is possible.
void PickAmongBusy(benchmark::State& state) {
  proxy::ServerTable table(1);
  const Backends backends(static_cast<std::size_t>(state.range()), table);
  for (const auto& backend : backends.set().backends) {
    if (!backend->admission().TryAdmit(backend->admission().Load())) std::abort();
  }
  proxy::LeastActive balancer;
  for (auto _ : state) {
    auto picked = balancer.Pick(backends.set(), {});
    benchmark::DoNotOptimize(picked);
  }
}
BENCHMARK(PickAmongBusy)->Arg(1)->Arg(64)->Arg(1000);

proxy::RequestRecord SampleRecord(const Backends& backends) {
  using std::chrono::microseconds;
  proxy::RequestRecord record;
  record.status = 200;
  record.server = backends.set().backends.front()->id();
  record.counters = backends.set().backends.front()->counters();
  record.attempts = 1;
  record.active_at_pick = 3;
  record.bytes_out = 2;
  record.begin = proxy::TimePoint(std::chrono::seconds(1));
  record.read = record.begin + microseconds(100);
  record.first_pick = record.read + microseconds(25);
  record.connect = microseconds(500);
  record.first_byte = microseconds(1500);
  record.end = record.begin + microseconds(4250);
  record.client = "192.0.2.17";
  record.method = "GET";
  record.authority = "shop.example:8080";
  record.path = "/catalog/items/4711";
  record.request_id = kRequestId;
  return record;
}

void Count(benchmark::State& state) {
  RequestPath path({});
  const proxy::RequestRecord record = SampleRecord(path.backends());
  for (auto _ : state) {
    path.reporter().CountPick(record.counters.get());
    path.reporter().CountAnswer(record.counters.get(), record.first_byte);
    path.reporter().Report(record);
  }
}
BENCHMARK(Count);

void CountAndLog(benchmark::State& state) {
  RequestPath path({.access_log = true});
  const proxy::RequestRecord record = SampleRecord(path.backends());
  for (auto _ : state) path.reporter().Report(record);
}
BENCHMARK(CountAndLog);

void AccessLine(benchmark::State& state) {
  RequestPath path({});
  const proxy::RequestRecord record = SampleRecord(path.backends());
  const proxy::WallTime now = proxy::WallClock::now();
  std::string line;
  for (auto _ : state) {
    line.clear();
    proxy::AppendAccessLine(proxy::AccessFormat::kJson, "default", record, now, line);
    benchmark::DoNotOptimize(line.data());
  }
}
BENCHMARK(AccessLine);

void RequestId(benchmark::State& state) {
  proxy::RequestIdSource source;
  for (auto _ : state) {
    auto id = source.Next();
    benchmark::DoNotOptimize(id);
  }
}
BENCHMARK(RequestId);

// ---- all of it ----------------------------------------------------------------------------------

void WholePath(benchmark::State& state) {
  RequestPath path({.access_log = state.range() != 0});
  for (auto _ : state) path.Run();
}
BENCHMARK(WholePath)->ArgName("logged")->Arg(0)->Arg(1);

}  // namespace
}  // namespace remora::bench

BENCHMARK_MAIN();
