"""The goals of Remora: what it must not exceed, or reach, in this comparison."""
import dataclasses
import typing

R, F, H, N = "remora", "floor", "haproxy", "nginx"
NO_WORSE = 1.05  # two equal proxies differ by this much from run to run


@dataclasses.dataclass(frozen=True)
class Bar:
    text: str
    limit: float
    measure: typing.Callable
    at_least: bool = False
    unit: str = ""

    def limit_text(self):
        return f"{'>=' if self.at_least else '<='} {self.limit:g}{self.unit}"

    def holds(self, measured):
        if measured is None:
            return None
        return measured >= self.limit if self.at_least else measured <= self.limit


def cpu(scenario, other, limit):
    names = {F: "floor", H: "HAProxy", N: "NGINX"}
    return Bar(f"{scenario}: CPU, x {names[other]}", limit, lambda r: r.ratio(scenario, R, other))


def over(top, bottom):
    return None if top is None or not bottom else top / bottom


def of_memory(*path):
    def measure(results):
        value = results.memory.get(R)
        for key in path:
            value = None if value is None else value.get(key)
        return value
    return measure


def burst_ratio(results):
    if R not in results.memory or H not in results.memory:
        return None
    return results.memory[R]["burst"]["pss"] / results.memory[H]["burst"]["pss"]


def start_ms(results):
    times = sorted(results.start.get("ready", []))
    return times[len(times) // 2] * 1000 if times else None


BARS = [
    cpu("saturation", F, 1.15),
    cpu("saturation", H, 0.85),
    cpu("saturation", N, 0.85),
    Bar("saturation: CPU in user space, x HAProxy", 0.60,
        lambda r: over(r.user_us("saturation", R), r.user_us("saturation", H))),
    cpu("rate", F, 1.12),
    cpu("rate", H, 0.999),
    cpu("rate", N, 0.999),
    Bar("rate: p50, x the better of HAProxy and NGINX", NO_WORSE,
        lambda r: r.ratio_to_best("rate", R, (H, N), "p50_us")),
    Bar("rate: p99, x the better of HAProxy and NGINX", NO_WORSE,
        lambda r: r.ratio_to_best("rate", R, (H, N), "p99_us")),
    cpu("workers-2", H, 0.85),
    cpu("close", H, 1.00),
    cpu("post-64k", H, 0.82),
    cpu("fields-33", H, 0.85),
    *(Bar(f"{name}: MB per CPU second, x HAProxy", limit,
          lambda r, name=name: r.ratio(name, R, H, "mb_per_cpu_second"), at_least=True)
      for name, limit in (("body-64k", 1.15), ("body-1m", 1.40), ("body-64m", 1.80))),
    Bar("1,000 backends: CPU, x its own with 1", 1.05,
        lambda r: r.ratio("backends-1000", R, R, other_scenario="backends-1")),
    Bar("access log on, saturation: CPU, x off", 1.10,
        lambda r: r.ratio("saturation", "remora-log", R)),
    Bar("system calls for a request", 5.2, lambda r: r.system_calls.get(R)),
    Bar("user-space bytes for an idle connection", 700, of_memory("many", "anonymous_each")),
    Bar("idle Pss, MB", 13, lambda r: over(of_memory("idle", "pss")(r), 1e6)),
    Bar("Pss after a burst of 9,000, x HAProxy", 0.50, burst_ratio),
    Bar("exec to /readyz with 1,000 servers, ms", 60, start_ms),
]


def check(results):
    checked = []
    for bar in BARS:
        measured = bar.measure(results)
        checked.append((bar, measured, bar.holds(measured)))
    return checked
