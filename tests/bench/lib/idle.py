"""What is measured without load: memory of idle connections, and the time of a start."""
import fcntl
import os
import select
import subprocess
import time

from .proxies import answers, wait_until
from .system import BenchError, free_port, memory, pause, spawn, stop

FEW, MANY = 1000, 9000
SETTLE = 5  # seconds without a byte


def hold(paths, running, count, *flags):
    load = spawn([paths["load"], "--port", str(running.port), "--hold", str(count), *flags],
                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    if load.stdout.readline().strip() != "held":
        stop(load)
        raise BenchError(f"{running.kind}: {count} connections can't be held")
    return load


def let_go(load):
    """Ends the connections; returns how many errors there were."""
    output, _ = load.communicate(timeout=60)
    return int(output.rsplit('"errors": ', 1)[1].split(",")[0])


def warmed(paths, starter, kind, ports):
    """A proxy that has served a little: what its first requests allocate is not the connections'.

    On few connections, for what they leave behind would serve the idle ones.
    """
    running = starter.start(kind, ports[:1], 1, pinned=False)
    subprocess.run([paths["load"], "--port", str(running.port), "--requests", "2000",
                    "--connections", "4"], capture_output=True, check=False, timeout=30)
    pause(SETTLE)
    return running


def each(before, after, count):
    return {f"{name}_each": (after[name] - before[name]) / count for name in after}


def held_memory(paths, starter, kind, ports, say):
    """Of 1,000 idle connections, then of 9,000."""
    running = warmed(paths, starter, kind, ports)
    found, loads = {"errors": 0}, []
    try:
        before = memory(running.pids())
        for name, count, added in (("few", FEW, FEW), ("many", MANY, MANY - FEW)):
            say(f"memory: {kind}, {count} idle connections")
            loads.append(hold(paths, running, added))
            pause(SETTLE)
            after = memory(running.pids())
            found[name] = {**after, **each(before, after, count)}
        for load in loads:
            load.stdin.write("ask\n")  # they must be alive
            load.stdin.flush()
            load.stdout.readline()
            found["errors"] += let_go(load)
    finally:
        running.stop()
    return found


def memory_of(kind, paths, starter, ports, say):
    say(f"memory: {kind}, idle")
    running = starter.start(kind, ports[:1], 1, pinned=False)
    pause(2)
    idle = memory(running.pids())
    running.stop()
    found = {"idle": idle, **held_memory(paths, starter, kind, ports, say)}
    say(f"memory: {kind}, {MANY} requests at once")
    running = warmed(paths, starter, kind, ports)
    try:
        load = hold(paths, running, MANY, "--burst")
        pause(SETTLE)
        found["burst"] = memory(running.pids())
        found["errors"] += let_go(load)
        pause(SETTLE)
        found["burst_closed"] = memory(running.pids())
    finally:
        running.stop()
    return found


def start_times(kinds, starter, ports, rounds, say):
    """Seconds from exec to the first answer, by kind; the proxies take turns."""
    times = {}
    for number in range(rounds):
        for kind in kinds:
            if kind == "floor":
                continue
            say(f"start: {kind}, {number + 1} of {rounds}")
            for name, taken in start_time(kind, starter, ports).items():
                times.setdefault(name, []).append(taken)
    return times


def start_time(kind, starter, ports):
    if kind != "remora":
        began = time.monotonic()
        running = starter.start(kind, ports, 1)
        taken = time.monotonic() - began
        running.stop()
        return {kind: taken}
    # Two starts: whoever asks again and again for the first answer takes the CPU from the servers
    # that are being probed.
    return {kind: first_answer_of_remora(starter, ports), "ready": ready_of_remora(starter, ports)}


def launch(starter, ports, data=0, **streams):
    starter.count += 1
    folder = starter.home / f"{starter.count}-start"
    folder.mkdir()
    return starter.launch_remora("remora", folder, ports, 1, starter.cpus, data, **streams)


def first_answer_of_remora(starter, ports):
    """Any server that passed its first probe serves."""
    data = free_port()
    began = time.monotonic()
    process = launch(starter, ports, data, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(data), process, "remora")
        return time.monotonic() - began
    finally:
        stop(process)


def ready_of_remora(starter, ports):
    """As its log says: all servers have been probed, and /readyz is 200."""
    began = time.monotonic()
    process = launch(starter, ports, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        # All lines must fit: it drops those that nobody takes.
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 1 << 20)
        log = ""
        while '"msg":"ready"' not in log:
            there, _, _ = select.select([process.stderr], [], [], 30)
            written = os.read(process.stderr.fileno(), 1 << 16).decode() if there else ""
            if not written:
                raise BenchError(f"remorad does not become ready: {log[-2000:]}")
            log += written
        return time.monotonic() - began
    finally:
        process.stderr.close()
        stop(process)
