"""What is measured under load, and the rounds that measure it."""
import dataclasses
import json
import os
import subprocess

from .system import BenchError, count_system_calls, cpu_ns, user_and_system_ticks

KIB, MIB = 1 << 10, 1 << 20


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    group: str         # of proxies that are up at the same time
    title: str
    load: tuple        # arguments of remora_bench_load
    workers: int = 1
    backends: int = 1
    with_log: bool = False   # Remora with its access log beside the one without
    seconds: float = 1       # times the time of a measurement
    primed: bool = False     # measured right after a run that is not counted


def body(size, connections):
    return ("--path", f"/b/{size}", "--expect", str(size), "--connections", str(connections))


SCENARIOS = [
    Scenario("saturation", "base", "saturation: 64 keep-alive connections, 1 worker", (),
             with_log=True),
    Scenario("rate", "base", "8,000 requests a second, 64 connections, 1 worker",
             ("--rate", "8000"), with_log=True),
    Scenario("workers-2", "base", "saturation: 64 keep-alive connections, 2 workers", (),
             workers=2),
    Scenario("close", "base", "a connection for each request, 64 at a time, 1 worker",
             ("--close",)),
    Scenario("post-64k", "base", "POST of 64 KiB, 64 connections, 1 worker",
             ("--body", str(64 * KIB))),
    Scenario("fields-33", "base", "33 fields in both heads, 64 connections, 1 worker",
             ("--fields", "33", "--path", "/h/33")),
    Scenario("body-64k", "base", "answers of 64 KiB, 64 connections, 1 worker", body(64 * KIB, 64)),
    Scenario("body-1m", "base", "answers of 1 MiB, 16 connections, 1 worker", body(MIB, 16)),
    Scenario("body-64m", "base", "answers of 64 MiB, 4 connections, 1 worker", body(64 * MIB, 4),
             seconds=1.5),
    *(Scenario(f"backends-{count}", "backends", f"saturation with {count} backends, 1 worker", (),
               backends=count, primed=True) for count in (1, 10, 100, 1000)),
]


class Rounds:
    """Keeps every measurement: results[scenario][proxy] is one entry for each round."""

    def __init__(self, tools, starter, backend, ports, peer_cpus, options):
        self.tools = tools
        self.starter = starter
        self.backend = backend
        self.ports = ports
        self.peer_cpus = peer_cpus  # of load and backend; None: any
        self.options = options
        self.results = {}
        self.system_calls = {}

    def run(self, scenarios, kinds, say):
        for group in dict.fromkeys(scenario.group for scenario in scenarios):
            members = [scenario for scenario in scenarios if scenario.group == group]
            entrants = {}
            try:
                for scenario in members:
                    for kind in self.kinds_of(scenario, kinds):
                        key = (kind, scenario.workers, scenario.backends)
                        if key not in entrants:
                            entrants[key] = self.starter.start(
                                kind, self.ports[:scenario.backends], scenario.workers,
                                pinned=scenario.workers == 1)
                for number in range(self.options.rounds):
                    for scenario in members:
                        say(f"round {number + 1} of {self.options.rounds}: {scenario.name}")
                        self.round(scenario, self.kinds_of(scenario, kinds), entrants, number)
                for kind in kinds:
                    if group == "base" and (kind, 1, 1) in entrants and self.options.system_calls:
                        say(f"system calls: {kind}")
                        self.count_calls(entrants[kind, 1, 1])
            finally:
                for running in entrants.values():
                    running.stop()

    def kinds_of(self, scenario, kinds):
        # The floor knows only one backend.
        return [kind for kind in kinds
                if (kind != "remora-log" or scenario.with_log)
                and (kind != "floor" or scenario.backends == 1)]

    def round(self, scenario, kinds, entrants, number):
        # Whoever comes first in one round comes later in the next.
        turn = number % len(kinds)
        for kind in kinds[turn:] + kinds[:turn]:
            running = entrants[kind, scenario.workers, scenario.backends]
            if scenario.primed:
                self.measure(running, scenario)
            measured = self.measure(running, scenario)
            self.results.setdefault(scenario.name, {}).setdefault(kind, []).append(measured)

    def load(self, port, workers, *arguments):
        """The command; with several workers nothing is pinned, the backend included."""
        cpus = self.peer_cpus if workers == 1 and self.peer_cpus else os.sched_getaffinity(0)
        os.sched_setaffinity(self.backend.pid, cpus)
        return ["taskset", "-c", ",".join(map(str, cpus)),
                self.tools["load"], "--port", str(port), *arguments]

    def measure(self, running, scenario):
        seconds = self.options.seconds * scenario.seconds
        command = self.load(running.port, scenario.workers, "--seconds", str(seconds), "--warm-up",
                            str(self.options.warm_up), *scenario.load)
        pids = running.pids()
        logged = running.logged[0]
        ticks, cpu = user_and_system_ticks(pids), cpu_ns(pids)
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              timeout=seconds + 30)
        cpu = cpu_ns(pids) - cpu
        ticks = [after - before for after, before in zip(user_and_system_ticks(pids), ticks)]
        if not done.stdout.strip():
            raise BenchError(f"{scenario.name}, {running.kind}: no result: {done.stderr}")
        result = json.loads(done.stdout)
        if result["requests"] == 0:
            raise BenchError(f"{scenario.name}, {running.kind}: no request was answered: {result}")
        # The CPU is that of the whole run, warm-up included, and so are these requests: no moment
        # has to be met.
        result.update(cpu_us=cpu / 1000 / result["requests"], user_ticks=ticks[0],
                      system_ticks=ticks[1], logged_bytes=running.logged[0] - logged,
                      mb_per_cpu_second=result["body_bytes"] / 1e6 / (cpu / 1e9))
        return result

    def count_calls(self, running):
        counted = count_system_calls(
            running.pids(), self.load(running.port, 1, "--seconds", "1", "--warm-up", "0"))
        if counted:
            output, calls = counted
            self.system_calls[running.kind] = calls / json.loads(output)["requests"]
