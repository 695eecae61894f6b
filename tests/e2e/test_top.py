"""remoractl top in a real terminal (tmux): what it draws, that it keeps up, that it leaves no trace."""
import os
import re
import shutil
import subprocess
import tempfile

import pytest

from peers.daemon import binary
from peers.http import fetch
from peers.wait import eventually

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

REMORACTL = binary("REMORACTL", "remoractl")


class Terminal:
    """A tmux server of its own with one window that runs a shell."""

    def __init__(self, columns=120, rows=24):
        self._home = tempfile.mkdtemp(prefix="tmux")
        self._socket = os.path.join(self._home, "s")
        self._tmux("new-session", "-d", "-s", "t", "-x", str(columns), "-y", str(rows),
                   "env", "PS1=ready$ ", "TERM=screen", "bash", "--norc", "--noprofile")
        eventually(lambda: "ready$" in self.screen())

    def _tmux(self, *words):
        run = subprocess.run(["tmux", "-f", "/dev/null", "-S", self._socket, *words],
                             capture_output=True, text=True, timeout=20)
        assert run.returncode == 0, run
        return run.stdout

    def screen(self):
        return self._tmux("capture-pane", "-p", "-t", "t")

    def type(self, line):
        self._tmux("send-keys", "-t", "t", "-l", line)
        self.press("Enter")

    def press(self, key):
        self._tmux("send-keys", "-t", "t", key)

    def resize(self, columns, rows):
        self._tmux("resize-window", "-t", "t", "-x", str(columns), "-y", str(rows))

    def shows(self, pattern, timeout=10):
        """Waits until the screen matches, and returns the match."""
        return eventually(lambda: re.search(pattern, self.screen(), re.MULTILINE), timeout,
                          f"the screen shows {pattern!r}:\n{self.screen()}")

    def end(self):
        subprocess.run(["tmux", "-f", "/dev/null", "-S", self._socket, "kill-server"],
                       capture_output=True, timeout=20)
        shutil.rmtree(self._home, ignore_errors=True)


@pytest.fixture
def terminal():
    one = Terminal()
    yield one
    one.end()


def start(terminal, daemon, *arguments):
    terminal.type(" ".join([REMORACTL, "--server", daemon.control_target, "top", "--interval",
                            "200ms", *arguments]))


def test_top_draws_the_servers_and_follows_their_state(remora, backend, terminal):
    one = backend("a")
    daemon = remora([{"url": one.url, "id": "app-1"}])
    daemon.control.add("127.0.0.1:1", id="app-2")
    start(terminal, daemon)
    terminal.shows(r"^NAME +POOL +URL +STATE +ACTIVE +RPS +P50 +P99 +FAILURES$")
    terminal.shows(rf"^app-1 +default +{re.escape(one.url)} +ACTIVE +0 ")
    terminal.shows(r"^app-2 +default +http://127.0.0.1:1 +(WARMING|UNHEALTHY)")
    gate = one.gate()

    async def hold(exchange):
        await gate.wait()
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    one.handler = hold
    held = subprocess.Popen(["curl", "-s", "-o", "/dev/null", daemon.url])
    try:
        gate.await_arrivals()
        terminal.shows(r"^app-1 .* ACTIVE +1 ")
        terminal.shows(r"1 running requests")
    finally:
        gate.open()
        held.wait(20)
    terminal.shows(r"^app-1 .* ACTIVE +0 ")
    daemon.control.drain("app-1")
    terminal.shows(r"^app-1 .* DRAINING ")
    daemon.control.remove("app-2")
    eventually(lambda: "app-2" not in terminal.screen())
    terminal.press("q")


@pytest.mark.parametrize("key", ["q", "C-c"])
def test_leaving_restores_the_terminal(remora, terminal, key):
    daemon = remora(["127.0.0.1:1"], wait_active=False)
    terminal.type("echo before; stty -a > modes")
    terminal.shows("^before$")
    start(terminal, daemon)
    terminal.shows("^NAME ")
    assert "before" not in terminal.screen(), "it has a screen of its own"
    terminal.press(key)
    terminal.shows("^before$")
    terminal.type("stty -a | cmp modes - && echo same; rm modes")
    terminal.shows("^same$")


def test_it_fits_a_small_terminal_and_grows_with_it(remora, terminal):
    daemon = remora()
    for i in range(30):
        daemon.control.add("127.0.0.1:1", id=f"s{i:02d}")
    terminal.resize(40, 10)
    start(terminal, daemon)
    terminal.shows("^and 24 more")
    terminal.resize(100, 40)
    terminal.shows("^s29 ")
    assert "more" not in terminal.screen()
    terminal.press("q")


def test_a_sidecar_that_has_ended_is_named_and_the_table_stays(remora, backend, terminal):
    one = backend("a")
    daemon = remora([{"url": one.url, "id": "app-1"}])
    assert fetch(daemon.data).status == 200
    start(terminal, daemon)
    terminal.shows("^app-1 ")
    daemon.stop()
    terminal.shows("^error: ")
    terminal.shows("^app-1 ")
    terminal.press("q")
    terminal.shows(r"ready\$")


def test_without_a_terminal_it_says_what_to_use(remora, remoractl):
    run = remoractl(remora(), "top")
    assert run.returncode == 2, run
    assert "servers list --watch -o jsonl" in run.stderr
