"""The end in two steps, as a pod has it: inbound drains first, outbound lives until the application
has gone. And the commands for hooks, probes and starts that bring it about."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from peers.backend import holding
from peers.daemon import Daemon, binary
from peers.http import Connection, fetch, refuses
from peers.terminal import start_on_terminal
from peers.traffic import Traffic
from peers.wait import eventually

REMORACTL = binary("REMORACTL", "remoractl")


def both_ways(delay="0s", deadline="20s"):
    """One outbound and one inbound listener."""
    return {"listeners": [{"address": "127.0.0.1:0", "direction": "outbound"},
                          {"address": "127.0.0.1:0", "direction": "inbound"}],
            "shutdown": {"delay": delay, "deadline": deadline}}


def outbound(daemon):
    return daemon.listener(0)


def inbound(daemon):
    return daemon.listener(1)


def states(daemon):
    pb = daemon.control.pb
    return [pb.ListenerHealth.State.Name(one.state) for one in daemon.control.health().listeners]


def ok(run):
    assert run.returncode == 0, run
    return run


# ---- shutdown in two steps ----------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_inbound_drains_while_outbound_serves(remora, backend, remoractl, workers):
    one, slow = backend("a"), backend("slow")
    gate = holding(slow)
    top = both_ways(delay="1s")
    top["listeners"][1]["pool"] = "app"
    top["pools"] = [{"name": "default", "servers": [{"url": one.url}]},
                    {"name": "app", "servers": [{"url": slow.url, "id": "app"}],
                     "health_check": {"probe": "none"}}]
    daemon = remora(top=top, workers=workers)
    daemon.wait_ready_servers(2)
    inward = inbound(daemon)
    with Traffic(outbound(daemon)) as traffic, Connection(inward) as busy:
        busy.send_request("GET", "/")
        gate.await_arrivals()
        hook = ok(remoractl(daemon, "prestop"))
        assert "Inbound traffic drains" in hook.stderr and hook.stdout == ""
        assert daemon.control.health().reasons == ["inbound draining"]
        assert fetch(daemon.admin, target="/readyz").status == 503
        # Others may not know yet: they are still served, and told to go.
        with Connection(inward) as late:
            late.send_request("GET", "/late")
            gate.await_arrivals()
            eventually(lambda: refuses(inward))
            assert states(daemon) == ["ACCEPTING", "DRAINING"]
            gate.open()
            for connection in (busy, late):
                answer = connection.read_response()
                assert (answer.status, answer.body) == (200, b"finished")
                assert answer.header("Connection").lower() == "close"
                assert connection.at_end()
        ok(remoractl(daemon, "wait", "--for=drained"))
        assert states(daemon) == ["ACCEPTING", "CLOSED"]
        traffic.mark()
        eventually(lambda: sum(traffic.since_mark.values()) >= 100, what="outbound serves on")
    assert traffic.failures == []
    daemon.wait_event("drained", scope="inbound")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit(timeout=10) == 0
    assert daemon.find_event("drained", scope="all"), daemon.log_text()


def test_both_steps_have_one_deadline(remora, backend, remoractl):
    one = backend()
    gate = holding(one)
    daemon = remora([one.url], top=both_ways(deadline="3s"))
    with Connection(inbound(daemon)) as first, Connection(outbound(daemon)) as second:
        first.send_request("GET", "/")
        second.send_request("GET", "/")
        gate.await_arrivals(2)
        start = time.monotonic()
        ok(remoractl(daemon, "prestop"))
        cut = daemon.wait_event("what still ran was cut", scope="inbound")
        assert cut["by"] == "deadline"
        assert time.monotonic() - start > 2.5
        assert daemon.control.health().pools[0].active_requests == 1, "outbound still runs"
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_exit(timeout=10) == 0
        assert time.monotonic() - start < 5, "no fresh deadline"
    gate.open()


def test_the_second_step_may_come_while_the_first_goes_on(remora, backend, remoractl):
    one = backend()
    gate = holding(one)
    daemon = remora([one.url], top=both_ways())
    with Connection(inbound(daemon)) as first, Connection(outbound(daemon)) as second:
        first.send_request("GET", "/")
        second.send_request("GET", "/")
        gate.await_arrivals(2)
        ok(remoractl(daemon, "prestop"))
        ok(remoractl(daemon, "prestop"))
        eventually(lambda: refuses(inbound(daemon)))
        ok(remoractl(daemon, "shutdown"))
        eventually(lambda: refuses(outbound(daemon)))
        assert states(daemon) == ["DRAINING", "DRAINING"]
        gate.open()
        for connection in (first, second):
            assert connection.read_response().body == b"finished"
    assert daemon.wait_exit(timeout=10) == 0


def test_a_sidecar_without_inbound_listeners_serves_on(remora, backend, remoractl):
    one = backend()
    daemon = remora([one.url])
    ok(remoractl(daemon, "prestop", "--wait"))
    assert fetch(daemon.admin, target="/readyz").status == 200
    assert fetch(daemon.data).status == 200
    ended = ok(remoractl(daemon, "shutdown", "--wait"))
    assert "drains and ends" in ended.stderr
    assert daemon.wait_exit(timeout=10) == 0
    assert "has ended already" in ok(remoractl(daemon, "prestop")).stderr


def test_a_signal_after_the_call_does_not_cut(remora, backend, remoractl):
    one = backend()
    gate = holding(one)
    daemon = remora([one.url])
    with Connection(daemon.data) as client:
        client.send_request("GET", "/")
        gate.await_arrivals()
        shown = json.loads(ok(remoractl(daemon, "shutdown", "-o", "json")).stdout)
        assert shown["active_requests"] == "1"
        daemon.signal(signal.SIGTERM)
        daemon.wait_event("signal")
        ok(remoractl(daemon, "shutdown"))
        assert daemon.find_event("cut by a second signal") is None
        gate.open()
        assert client.read_response().body == b"finished"
    assert daemon.wait_exit(timeout=10) == 0
    results = [e["result"] for e in daemon.events if e.get("rpc") == "Shutdown"]
    assert results == ["draining", "unchanged"]


def test_the_grace_of_the_pod_is_the_frame(remora):
    shown = subprocess.run([binary("REMORAD", "remorad"), "--print-config", "--config", "/dev/null"],
                           env={**os.environ, "TERMINATION_GRACE_PERIOD_SECONDS": "12"},
                           capture_output=True, text=True, timeout=20)
    assert "deadline: 10s  # TERMINATION_GRACE_PERIOD_SECONDS" in shown.stdout, shown
    daemon = remora(env={"TERMINATION_GRACE_PERIOD_SECONDS": "5"})
    warnings = [e["msg"] for e in daemon.events if e.get("level") == "warn"]
    assert any("shutdown.deadline is 10s, but the pod is killed 5s" in w for w in warnings), warnings


# ---- healthcheck, wait --------------------------------------------------------------------------


def test_a_healthcheck_is_its_exit_code(remora, backend, remoractl):
    one = backend()
    gate = holding(one)
    daemon = remora([one.url])

    def code(*arguments):
        run = remoractl(daemon, "healthcheck", *arguments)
        assert run.stdout + run.stderr == ""
        return run.returncode
    assert (code(), code("--live")) == (0, 0)
    with Connection(daemon.data) as client:
        client.send_request("GET", "/")
        gate.await_arrivals()
        ok(remoractl(daemon, "shutdown"))
        assert (code(), code("--live")) == (1, 0)
        gate.open()
    assert daemon.wait_exit(timeout=10) == 0
    assert (code(), code("--live")) == (69, 69)


@pytest.fixture
def later(directory, protos):
    """later(): starts a sidecar at `later.target`, which may be waited for before."""
    started = []

    def start():
        daemon = Daemon(directory, protos, [
            "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--control", start.target,
            "--log-format", "json", "--shutdown-delay", "0s"])
        started.append(daemon)
        return daemon.start()
    start.target = f"unix:{directory}/c.sock"
    yield start
    for daemon in started:
        daemon.kill()


def spawn(later, *arguments, **more):
    return subprocess.Popen([REMORACTL, "--server", later.target, *arguments],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def health_calls(daemon):
    metrics = fetch(daemon.admin, target="/metrics").body.decode()
    found = re.search(r'^remora_control_requests_total{[^}]*rpc="Health"[^}]*} (\d+)', metrics, re.M)
    return int(found.group(1)) if found else 0


def test_a_wait_may_begin_before_the_sidecar(later):
    ready, drained = spawn(later, "wait", "--for=ready"), spawn(later, "wait", "--for=drained")
    daemon = later()
    assert ready.wait(timeout=20) == 0, ready.communicate()
    before = health_calls(daemon)
    eventually(lambda: health_calls(daemon) > before, what="the other one has seen it, too")
    assert drained.poll() is None
    daemon.stop()
    assert drained.wait(timeout=20) == 0, drained.communicate()


def test_a_wait_that_is_too_long_is_124(later, remoractl):
    run = remoractl(None, "--server", later.target, "wait", "--timeout", "300ms")
    assert run.returncode == 124 and "not ready after 300ms: there is no socket" in run.stderr, run


# ---- exec ---------------------------------------------------------------------------------------

# What the started command finds: signals as they were, no descriptor of ours, and its environment.
INHERITED = """
import json, os, signal, sys
fds = [fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")]
mask = [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])]
with open("/proc/self/status") as file:
    ignored = next(line.split()[1] for line in file if line.startswith("SigIgn"))
print(json.dumps({"fds": len(fds), "mask": mask, "ignored": int(ignored, 16),
                  "grpc": os.environ.get("GRPC_VERBOSITY"), "argv": sys.argv[1:]}))
sys.exit(7)
"""


def test_exec_starts_a_command_once_the_sidecar_is_ready_and_ends_it_with_it(later):
    words = ["[a,b]", "--timeout", "", "--"]
    run = spawn(later, "exec", "--", sys.executable, "-c", INHERITED, *words)
    daemon = later()
    out, err = run.communicate(timeout=20)
    assert run.returncode == 7, err
    found = json.loads(out)
    # Python ignores SIGPIPE and SIGXFSZ, posix_spawn the two that glibc keeps for itself, and whoever
    # started these tests perhaps some more (nohup).
    with open("/proc/self/status", encoding="ascii") as file:
        own = int(next(line.split()[1] for line in file if line.startswith("SigIgn")), 16)
    own |= sum(1 << number - 1 for number in (signal.SIGPIPE, signal.SIGXFSZ, 32, 33))
    assert found["fds"] == 3 and found["mask"] == [] and found["ignored"] & ~own == 0, found
    assert found["grpc"] is None and found["argv"] == words
    assert daemon.wait_exit(timeout=10) == 0


def test_exec_leaves_a_closed_pipe_to_the_command(later):
    daemon = later()
    run = spawn(later, "exec", "--shutdown=never", "--", "grep", "SigIgn", "/proc/self/status")
    out, err = run.communicate(timeout=20)
    assert run.returncode == 0, err
    assert int(out.split()[1], 16) & (1 << signal.SIGPIPE - 1) == 0, "not ignored in the child"
    daemon.stop()


def test_exec_hands_signals_on_and_ends_as_the_command_does(later):
    later()
    script = ("import signal, sys\n"
              "signal.signal(signal.SIGUSR1, lambda *_: print('usr1', flush=True))\n"
              "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
              "print('up', flush=True)\n"
              "while True: signal.pause()\n")
    run = spawn(later, "exec", "--shutdown=never", "--", sys.executable, "-c", script)
    assert run.stdout.readline() == "up\n"
    run.send_signal(signal.SIGUSR1)
    assert run.stdout.readline() == "usr1\n"
    run.send_signal(signal.SIGTERM)
    assert run.wait(timeout=20) == 9
    killed = spawn(later, "exec", "--", "sh", "-c", "kill -KILL $$")
    assert killed.wait(timeout=20) == 128 + signal.SIGKILL


def test_a_signal_of_the_terminal_comes_once(later):
    daemon = later()
    script = ("import signal, sys\n"
              "count = []\n"
              "def on_int(*_):\n"
              "    count.append(1)\n"
              "    print('int', flush=True)\n"
              "signal.signal(signal.SIGINT, on_int)\n"
              "signal.signal(signal.SIGTERM, lambda *_: sys.exit(40 + len(count)))\n"
              "print('up', flush=True)\n"
              "while True: signal.pause()\n")
    process, terminal = start_on_terminal(REMORACTL, "--server", later.target, "exec",
                                          "--shutdown=never", "--", sys.executable, "-c", script)
    seen = b""

    def shows(mark):
        nonlocal seen
        while mark not in seen:
            seen += os.read(terminal, 1024)
        return True
    assert shows(b"up")
    os.write(terminal, b"\x03")
    assert shows(b"int")
    process.send_signal(signal.SIGTERM)  # handed on behind whatever else was
    assert process.wait(20) == 41
    os.close(terminal)
    daemon.stop()


def test_a_command_that_cannot_start_is_126_or_127(later, directory):
    later()
    path = os.path.join(directory, "text")
    with open(path, "w", encoding="ascii") as file:
        file.write("no program\n")
    for command, code in ((path, 126), ("no-such-command", 127), ("/no/such", 127)):
        run = spawn(later, "exec", "--shutdown=never", "--", command)
        _, err = run.communicate(timeout=20)
        assert run.returncode == code and f"can't start {command}" in err, (run.returncode, err)


def test_exec_without_a_sidecar_gives_up_and_can_be_stopped(later):
    run = spawn(later, "exec", "--timeout", "300ms", "--", "echo", "no")
    out, err = run.communicate(timeout=20)
    assert run.returncode == 124 and out == "" and "not ready after 300ms" in err
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(later.target.removeprefix("unix:"))
        mute.listen()
        mute.settimeout(20)
        run = spawn(later, "exec", "--", "echo", "no")
        with mute.accept()[0]:  # it has begun to wait
            run.send_signal(signal.SIGTERM)
            assert run.wait(timeout=20) == 128 + signal.SIGTERM


# As a container's process 1: leaves an orphan that ends, and waits until nobody is a zombie.
ORPHANS = """
import os, subprocess, sys, threading
assert os.getppid() == 1
subprocess.run(["sh", "-c", "(exit 3) & exit 0"])
def zombies():
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    yield name
        except OSError:
            pass
for _ in range(500):
    if not list(zombies()):
        sys.exit(0)
    threading.Event().wait(0.01)
sys.exit(1)
"""


def test_exec_as_process_1_takes_away_dead_children(later):
    unshare = ["unshare", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode != 0:
        pytest.skip("a PID namespace of its own is needed")
    later()
    run = subprocess.run([*unshare, REMORACTL, "--server", later.target, "exec", "--",
                          sys.executable, "-c", ORPHANS], capture_output=True, text=True, timeout=30)
    assert run.returncode == 0, run
