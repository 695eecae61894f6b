"""Start, readiness, drain and end of the process; what it needs from its surroundings."""
import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from peers.backend import holding
from peers.daemon import Daemon, binary
from peers.http import Connection, fetch, refuses
from peers.wait import eventually

E2E_DIR = os.path.dirname(os.path.abspath(__file__))


def remorad(*arguments, **more):
    return subprocess.run([binary("REMORAD", "remorad"), *arguments], capture_output=True,
                          text=True, timeout=20, **more)


# ---- start --------------------------------------------------------------------------------------


def test_version_names_the_version():
    run = remorad("--version")
    assert run.returncode == 0
    assert run.stdout.startswith("remorad ")


def test_port_0_is_replaced_by_the_port_that_the_log_tells(remora):
    daemon = remora(flags=["--listen", "127.0.0.1:0"])
    data = [e["address"] for e in daemon.events
            if e["msg"] == "listening" and e["socket"] == "data"]
    assert len(set(data)) == 2, "two listeners, two ports"
    for address in data:
        host, port = address.split(":")
        assert int(port) > 0
        assert fetch((host, int(port))).status == 503
    assert daemon.find_event("listening", socket="control")["address"] == daemon.control_target


def test_the_probes_of_the_admin_port(remora):
    daemon = remora()
    for path in ("/livez", "/readyz", "/startupz"):
        assert fetch(daemon.admin, target=path).status == 200, path
    assert b"[+]" in fetch(daemon.admin, target="/readyz?verbose").body
    assert fetch(daemon.admin, target="/nothing").status == 404
    assert fetch(daemon.admin, "POST", "/readyz").status == 405


def test_readiness_does_not_hang_on_backends(remora, refusing_port):
    """A sidecar that leaves because its backends are down turns one outage into two."""
    daemon = remora([f"http://127.0.0.1:{refusing_port()}"], wait_active=False)
    assert fetch(daemon.admin, target="/readyz").status == 200


def test_it_is_ready_once_each_server_has_been_probed(remora, backend):
    """So that the first request of whoever waits for it finds the servers that are up."""
    slow = backend("slow")
    gate = holding(slow)
    daemon = remora([slow.url], wait_ready=False, pool={
        "health_check": {"probe": "http", "path": "/am-i-well", "timeout": "4s"}})
    daemon.wait_event("listening", socket="admin")
    for path in ("/readyz", "/startupz"):
        answer = fetch(daemon.admin, target=path)
        assert (answer.status, b"has been probed yet" in answer.body) == (503, True), answer
    assert not daemon.control.health().ready
    gate.open()
    assert daemon.wait_event("ready")["unprobed"] == "0"
    assert fetch(daemon.admin, target="/startupz").status == 200
    assert fetch(daemon.data).status == 200


def test_a_server_that_cannot_be_probed_is_not_waited_for_for_ever(remora):
    daemon = remora(["http://nowhere.invalid:80"], wait_active=False)
    assert daemon.find_event("ready")["unprobed"] == "1"


def test_a_port_in_use_ends_the_start_with_69_and_names_it(protos, directory):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        run = remorad("--listen", address, "--admin", "127.0.0.1:0",
                      "--control", f"unix:{directory}/c.sock")
    assert run.returncode == 69, run
    assert address in run.stderr


def test_a_second_daemon_on_the_same_control_socket_is_refused(remora):
    daemon = remora()
    run = remorad("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
                  "--control", daemon.control_target)
    assert run.returncode == 69, run
    assert daemon.control.health().ready, "the first one is unharmed"


def test_a_control_socket_left_behind_is_replaced(remora, protos, directory):
    path = f"{directory}/c.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    daemon = Daemon(directory, protos, ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
                                        "--control", f"unix:{path}", "--log-format", "json",
                                        "--shutdown-delay", "0s"])
    try:
        daemon.start()
        assert daemon.control.health().ready
        daemon.stop()
        assert not os.path.exists(path), "the socket goes with the process"
    finally:
        daemon.kill()


def test_an_unknown_flag_is_64():
    run = remorad("--no-such-flag")
    assert run.returncode == 64, run


# ---- configuration ------------------------------------------------------------------------------


def test_the_shortest_file_works_unchanged(remora, protos, backend, directory):
    one, two = backend("a"), backend("b")
    path = f"{directory}/config.yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'servers:\n  - "{one.url}"\n  - "{two.url}"\n')
    daemon = Daemon(directory, protos, [  # ./config.yaml is found
        "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--shutdown-delay", "0s",
        "--control", f"unix:{directory}/c.sock", "--log-format", "json"])
    try:
        daemon.start()
        daemon.wait_ready_servers(2)
        assert {fetch(daemon.data).json()["backend"] for _ in range(4)} == {"a", "b"}
        daemon.stop()
    finally:
        daemon.kill()


def test_validate_says_0_or_78_with_line_and_column(directory):
    good, bad = f"{directory}/good.yaml", f"{directory}/bad.yaml"
    with open(good, "w", encoding="utf-8") as file:
        file.write("servers:\n  - http://127.0.0.1:9001\n")
    with open(bad, "w", encoding="utf-8") as file:
        file.write("servers:\n  - http://127.0.0.1:9001\nworkers: many\n"
                   "pools:\n  - name: default\n    polcy: least_active\n")
    assert remorad("--validate", "--config", good).returncode == 0
    run = remorad("--validate", "--config", bad)
    assert run.returncode == 78, run
    assert "bad.yaml:3:10" in run.stderr, run.stderr
    assert "bad.yaml:6:5" in run.stderr, run.stderr
    assert "policy" in run.stderr, "did you mean"
    assert remorad("--validate", "--config", f"{directory}/missing.yaml").returncode == 78


def test_flags_win_over_the_environment_and_that_over_the_file(remora):
    daemon = remora(top={"workers": 1}, workers=2, env={"REMORA_WORKERS": "3"})
    assert daemon.find_event("ready")["workers"] == "2"


def test_names_in_the_configuration_that_need_tls_are_refused():
    run = remorad("--validate", "--server", "https://a:443")
    assert run.returncode == 78
    assert "needs TLS, not built yet" in run.stderr


# ---- the end ------------------------------------------------------------------------------------


def test_sigterm_lets_requests_finish_and_readiness_goes_first(remora, backend):
    one = backend()
    gate = holding(one)
    daemon = remora([one.url], top={"shutdown": {"delay": "1s", "deadline": "20s"}})
    with Connection(daemon.data) as busy, Connection(daemon.data) as idle:
        busy.send_request("GET", "/")
        gate.await_arrivals()
        daemon.signal(signal.SIGTERM)
        daemon.wait_event("draining")
        assert fetch(daemon.admin, target="/readyz").status == 503
        assert fetch(daemon.admin, target="/livez").status == 200
        assert not daemon.control.health().ready
        # Whoever does not know yet is still served, and told to go.
        late = Connection(daemon.data)
        late.send_request("GET", "/late")
        gate.await_arrivals()
        assert idle.at_end(), "idle connections are closed"
        eventually(lambda: refuses(daemon.data), timeout=5)
        assert daemon.process.poll() is None, "it waits for what runs"
        gate.open()
        for connection in (busy, late):
            answer = connection.read_response()
            assert (answer.status, answer.body) == (200, b"finished")
            assert answer.header("Connection").lower() == "close"
            assert connection.at_end()
        late.close()
    assert daemon.wait_exit() == 0
    daemon.wait_event("drained")


def test_a_second_sigterm_cuts(remora, backend):
    one = backend()
    gate = holding(one)
    daemon = remora([one.url], top={"shutdown": {"delay": "10s", "deadline": "60s"}})
    with Connection(daemon.data) as client:
        client.send_request("GET", "/")
        gate.await_arrivals()
        daemon.signal(signal.SIGTERM)
        daemon.wait_event("draining")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_exit(timeout=10) == 0
        try:
            assert client.read_response().status >= 500
        except (AssertionError, ConnectionError):
            pass  # cut without an answer
    gate.open()


def test_what_runs_at_the_deadline_is_cut(remora, backend):
    one = backend()
    gate = holding(one)
    daemon = remora([one.url], top={"shutdown": {"delay": "0s", "deadline": "500ms"}})
    with Connection(daemon.data) as client:
        client.send_request("GET", "/")
        gate.await_arrivals()
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_exit(timeout=10) == 0
    assert daemon.find_event("what still ran was cut", by="deadline"), daemon.log_text()
    gate.open()


def test_an_idle_daemon_ends_at_once(remora):
    daemon = remora()
    daemon.signal(signal.SIGINT)
    assert daemon.wait_exit(timeout=5) == 0


# ---- an empty root directory --------------------------------------------------------------------


def is_static(path):
    """No PT_INTERP: nothing else is loaded."""
    with open(path, "rb") as file:
        data = file.read(65536)
    return b"ld-linux" not in data


def can_unshare():
    unshare = shutil.which("unshare")
    return unshare and subprocess.run([unshare, "-n", "true"], capture_output=True).returncode == 0


def test_the_binary_runs_in_an_empty_root_and_finds_names_there(directory):
    path = binary("REMORAD", "remorad")
    if not is_static(path):
        pytest.skip("this build links dynamically")
    if os.geteuid() != 0:
        pytest.skip("chroot needs root")
    if not can_unshare():
        pytest.skip("a network namespace of its own is needed for a DNS server on port 53")
    root = os.path.join(directory, "root")
    os.makedirs(os.path.join(root, "etc"))
    shutil.copy(path, os.path.join(root, "remorad"))
    with open(os.path.join(root, "etc", "hosts"), "w", encoding="ascii") as file:
        file.write("127.0.0.1 localhost from-hosts\n")
    with open(os.path.join(root, "etc", "resolv.conf"), "w", encoding="ascii") as file:
        file.write("nameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
    run = subprocess.run(["unshare", "-n", sys.executable,
                          os.path.join(E2E_DIR, "empty_root.py"), root],
                         capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines() == ["from-hosts 200", "from-dns.example 200"]
