"""What the kernel says about processes: CPU, memory, system calls; and how they are started."""
import ctypes
import os
import pathlib
import resource
import select
import signal
import socket
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]
HOST = "127.0.0.1"
TICK = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class BenchError(Exception):
    """Says what went wrong in words for the user."""


def build(targets, folder="build/release", *options):
    """Builds a release with what the bench needs, in a folder of this checkout."""
    for command in (["cmake", "--preset", "release", "-B", folder, "-DREMORA_BENCH=ON",
                     "-DREMORA_TESTS=OFF", *options],
                    ["cmake", "--build", folder, "--target", *targets]):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = (done.stdout + done.stderr)[-4000:]
            raise BenchError(f"{' '.join(command)} failed:\n{said}")


def pause(seconds):
    select.poll().poll(seconds * 1000)


def raise_file_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def spawn(command, cpus=None, **streams):
    """Starts a process that ends with this one, on these CPUs only if any are given."""
    def prepare():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if cpus:
            os.sched_setaffinity(0, cpus)
    return subprocess.Popen(command, preexec_fn=prepare, text=True, **streams)


def stop(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def tree(pid):
    """A process and those below it."""
    pids = [pid]
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as children:
            for child in children.read().split():
                pids += tree(int(child))
    return pids


def cpu_ns(pids):
    """Run time of all their threads, as the scheduler counts it."""
    total = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as stat:
                total += int(stat.read().split()[0])
    return total


def user_and_system_ticks(pids):
    user = system = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        user += int(fields[11])
        system += int(fields[12])
    return user, system


def memory(pids):
    """Bytes: Pss, and the anonymous part of what is resident."""
    sums = {"Pss": 0, "Anonymous": 0}
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
            for line in rollup:
                name, _, rest = line.partition(":")
                if name in sums:
                    sums[name] += int(rest.split()[0]) * 1024
    return {"pss": sums["Pss"], "anonymous": sums["Anonymous"]}


def count_system_calls(pids, command):
    """Runs the command and returns its output and the calls of these processes meanwhile.

    perf counts in the kernel, which costs the process next to nothing; strace would stop it at each
    call. None where perf is missing or not allowed.
    """
    perf = ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", ",".join(map(str, pids))]
    try:
        done = subprocess.run(perf + ["--", *command], capture_output=True, text=True, timeout=60,
                              check=False)
    except FileNotFoundError:
        return None
    for line in done.stderr.splitlines():
        fields = line.split(",")
        if "raw_syscalls:sys_enter" in line and fields[0].isdigit():
            return done.stdout, int(fields[0])
    return None
