"""remoractl against a live daemon: each command, output for programs, completion, and every example
that a help text shows."""
import json
import os
import re
import select
import shutil
import subprocess
import time

import pytest

from peers.backend import echo
from peers.daemon import binary
from peers.http import Connection, fetch
from peers.terminal import start_on_terminal
from peers.wait import eventually

REMORACTL = binary("REMORACTL", "remoractl")


def write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


# ---- output -------------------------------------------------------------------------------------


def test_each_form_of_a_list_can_be_read_back(remora, backend, remoractl):
    one = backend("a")
    daemon = remora([{"url": one.url, "id": "a", "labels": {"zone": "no"}}])
    as_json = json.loads(remoractl(daemon, "servers", "list", "-o", "json").stdout)
    lines = remoractl(daemon, "servers", "list", "-o", "jsonl").stdout.splitlines()
    uid = as_json["servers"][0]["uid"]
    assert [json.loads(line)["uid"] for line in lines] == [uid]
    assert remoractl(daemon, "servers", "list", "-o", "name").stdout == "default/a\n"
    got = remoractl(daemon, "servers", "get", "default/a", "-o", "yaml")
    assert got.returncode == 0, got.stderr
    assert f'uid: "{uid}"' in got.stdout or f"uid: {uid}" in got.stdout, got.stdout
    assert 'zone: "no"' in got.stdout, "not a truth value"
    wide = remoractl(daemon, "servers", "list", "-o", "wide").stdout.splitlines()
    assert "LABELS" in wide[0].split() and "zone=no" in wide[1].split()
    assert "\x1b" not in "".join(wide), "no colour where the output is no terminal"


def on_terminal(arguments, env=None, keys=b"", until=None, timeout=20):
    """What the command writes to a terminal, and how it ended. `keys` are pressed once the output
    has `until` in it."""
    process, terminal = start_on_terminal(REMORACTL, *arguments,
                                          env={"TERM": "xterm", **(env or {})})
    output, deadline = b"", time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(terminal, 65536)
        except OSError:  # EIO: nobody holds the other end any more
            break
        if not data:
            break
        output += data
        if keys and until in output:
            os.write(terminal, keys)
            keys = b""
    os.close(terminal)
    try:
        return output, process.wait(timeout)
    finally:
        process.kill()


def test_colours_are_for_terminals_and_never_with_no_color(remora):
    daemon = remora(["127.0.0.1:1"], wait_active=False)
    arguments = ["--server", daemon.control_target, "servers", "list"]
    assert b"\x1b[3" in on_terminal(arguments)[0]
    assert b"\x1b" not in on_terminal(arguments, env={"NO_COLOR": "1"})[0]
    assert b"\x1b" not in on_terminal(arguments, env={"TERM": "dumb"})[0]


def test_a_format_that_a_command_lacks_is_refused_with_those_it_has(remora, remoractl):
    daemon = remora()
    for arguments in (["health", "-o", "name"], ["servers", "apply", "-f", "x", "-o", "json"],
                      ["servers", "list", "--watch", "-o", "yaml"]):
        run = remoractl(daemon, *arguments)
        assert run.returncode == 2 and "table" in run.stderr, run


# ---- drain and undrain --------------------------------------------------------------------------


def test_drain_waits_for_the_last_request_and_undrain_brings_it_back(remora, backend, remoractl):
    one = backend("a")
    daemon = remora([{"url": one.url, "id": "a"}])
    gate = one.hold()
    with Connection(daemon.data) as client:
        client.send_request("GET", "/")
        gate.await_arrivals()
        drained = remoractl(daemon, "servers", "drain", "a")
        assert drained.returncode == 0, drained.stderr
        assert "1 still run, at most 30s" in drained.stderr
        assert "DRAINING" in drained.stdout
        waiting = subprocess.Popen([REMORACTL, "--server", daemon.control_target, "servers",
                                    "drain", one.url, "--wait"], stderr=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        assert "still run" in waiting.stderr.readline(), "it waits now"
        gate.open()
        assert client.read_response().status == 200
        out, err = waiting.communicate(timeout=20)
        assert waiting.returncode == 0 and "last request has ended" in err, (out, err)
    one.handler = echo
    opened = remoractl(daemon, "servers", "undrain", "a")
    assert opened.returncode == 0 and "takes traffic again" in opened.stderr, opened
    assert fetch(daemon.data).status == 200


# ---- apply --------------------------------------------------------------------------------------


def test_apply_makes_the_servers_what_the_file_says(remora, remoractl, directory):
    daemon = remora([{"url": "127.0.0.1:1", "id": "fixed"}], wait_active=False)
    remoractl(daemon, "servers", "add", "127.0.0.1:2", "--id", "changed")
    remoractl(daemon, "servers", "add", "127.0.0.1:3", "--id", "stray")
    before = daemon.control.get("changed").uid
    file = write(directory, "servers.yaml", "servers:\n  - http://127.0.0.1:4\n"
                 "  - {id: changed, url: 127.0.0.1:2, weight: 3, labels: {zone: a}}\n")
    dry = remoractl(daemon, "servers", "apply", "-f", file, "--prune", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert len(daemon.control.list()) == 3, "nothing was changed"
    applied = remoractl(daemon, "servers", "apply", "-f", file, "--prune")
    assert applied.returncode == 0, applied.stderr
    assert applied.stdout == dry.stdout == (
        "- default/stray: http://127.0.0.1:3\n"
        "~ default/changed: weight 1 -> 3, labels none -> zone=a\n"
        "+ default/(made from the url): http://127.0.0.1:4\n")
    assert sorted(s.id for s in daemon.control.list()) == ["127-0-0-1-4", "changed", "fixed"]
    changed = daemon.control.get("changed")
    assert (changed.uid, changed.spec.weight) == (before, 3), "changed in place"
    again = remoractl(daemon, "servers", "apply", "-f", file, "--prune")
    assert (again.returncode, again.stdout) == (0, ""), again
    assert "0 added, 0 changed, 0 removed, 2 as they were" in again.stderr


def test_apply_reads_stdin_and_refuses_a_bad_file_whole(remora, directory):
    daemon = remora()

    def apply(text):
        return subprocess.run([REMORACTL, "--server", daemon.control_target, "servers", "apply",
                               "-f", "-"], input=text, capture_output=True, text=True, timeout=20)
    assert apply("servers: ['127.0.0.1:1']").returncode == 0
    bad = apply("servers:\n- 127.0.0.1:2\n- {url: 127.0.0.1:3, wieght: 2}\n")
    assert bad.returncode == 2 and "stdin:3:22: unknown key 'wieght'" in bad.stderr, bad
    assert [s.spec.url for s in daemon.control.list()] == ["http://127.0.0.1:1"]


# ---- watch --------------------------------------------------------------------------------------


class Watch:
    """A running `servers list --watch -o jsonl`, line by line."""

    def __init__(self, daemon):
        self.process = subprocess.Popen(
            [REMORACTL, "--server", daemon.control_target, "servers", "list", "--watch", "-o",
             "jsonl"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def next(self, kind, identifier, state=None):
        """Reads on to this change; each line on the way must be a change too."""
        while True:
            assert select.select([self.process.stdout], [], [], 20)[0], "no change was told"
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            change = json.loads(line)
            assert change["type"] in ("ADDED", "MODIFIED", "REMOVED")
            server = change["server"]
            if (change["type"], server["id"]) == (kind, identifier) and (
                    state is None or server["status"]["state"] == state):
                return server

    def end(self):
        self.process.kill()
        self.process.communicate()


def test_watch_tells_each_change_as_one_object(remora, backend):
    one = backend("a")
    daemon = remora([{"url": one.url, "id": "a"}])
    watch = Watch(daemon)
    try:
        watch.next("ADDED", "a")
        daemon.control.add("127.0.0.1:1", id="b")
        watch.next("ADDED", "b")
        daemon.control.update("a", weight=7)
        assert watch.next("MODIFIED", "a")["spec"]["weight"] == 7
        daemon.control.drain("a")
        watch.next("MODIFIED", "a", "DRAINING")
        daemon.control.undrain("a")
        watch.next("MODIFIED", "a", "ACTIVE")
        daemon.control.remove("a")
        watch.next("REMOVED", "a")
        daemon.stop()
        assert watch.process.wait(20) == 69, "the sidecar has ended"
    finally:
        watch.end()


# ---- status, config, completion -----------------------------------------------------------------


def test_status_names_what_takes_no_traffic(remora, backend, remoractl):
    one = backend("a")
    daemon = remora([{"url": one.url, "id": "a"}])
    assert "All servers take traffic." in remoractl(daemon, "status").stdout
    daemon.control.drain("a")
    status = remoractl(daemon, "status")
    assert status.returncode == 0 and "drained by an operator" in status.stdout, status
    document = json.loads(remoractl(daemon, "status", "-o", "json").stdout)
    assert document["health"]["ready"] is True
    assert [s["id"] for s in document["taking_no_traffic"]["servers"]] == ["a"]


def test_config_says_where_the_address_comes_from_and_calls_nobody(remoractl, directory):
    def server(*arguments, **env):
        run = remoractl(None, "config", "-o", "json", *arguments, env=env)
        assert run.returncode == 0, run.stderr
        return tuple(json.loads(run.stdout)["server"][key] for key in ("value", "from"))
    nobody = f"unix:{directory}/nobody.sock"
    assert server("--server", nobody) == (nobody, "--server")
    assert server(REMORA_SERVER=nobody) == (nobody, "REMORA_SERVER")


def test_bash_completes_commands_and_live_ids(remora):
    daemon = remora(["127.0.0.1:1"], wait_active=False)
    daemon.control.add("127.0.0.1:2", id="other")

    def complete(*words):
        script = ('source <(remoractl completion bash); COMP_WORDS=(remoractl "$@"); '
                  'COMP_CWORD=$#; _remoractl; printf "%s\\n" "${COMPREPLY[@]}"')
        run = subprocess.run(
            ["bash", "-c", script, "--", *words], capture_output=True, text=True, timeout=20,
            env={**os.environ, "REMORA_SERVER": daemon.control_target,
                 "PATH": os.path.dirname(REMORACTL) + ":" + os.environ["PATH"]})
        assert run.returncode == 0 and run.stderr == "", run
        return run.stdout.split()
    assert complete("servers", "dr") == ["drain"]
    assert complete("servers", "drain", "") == ["127-0-0-1-1", "other"]
    assert complete("servers", "get", "o") == ["other"]
    assert complete("servers", "list", "--pool", "d") == ["default"]
    daemon.stop()
    start = time.monotonic()
    assert complete("servers", "drain", "") == [], "nobody answers: nothing, and no error"
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_script_of_each_shell_is_one(shell, remoractl, directory):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    script = write(directory, "completion", remoractl(None, "completion", shell).stdout)
    run = subprocess.run([shell, "-n", script], capture_output=True, text=True, timeout=20)
    assert run.returncode == 0, run.stderr


# ---- examples of the help texts -----------------------------------------------------------------


def help_of(*command):
    run = subprocess.run([REMORACTL, *command, "--help"], capture_output=True, text=True,
                         timeout=20)
    assert run.returncode == 0, run.stderr
    return run.stdout


def section(text, title):
    found = re.search(rf"^{title}:\n((?:  .*\n)+)", text, re.MULTILINE)
    return [line.strip() for line in found.group(1).splitlines()] if found else []


def commands(*command):
    """This command and those under it."""
    yield command
    for line in section(help_of(*command), "Commands"):
        for name in line.split("  ")[0].split(", "):  # those of a group share a line
            yield from commands(*command, name)


EXAMPLES = [example for command in commands() for example in section(help_of(*command), "Examples")]


WORKLOAD = """apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  serviceAccountName: web
  terminationGracePeriodSeconds: 30
  containers:
  - {name: web, image: "web:1"}
"""


def test_every_command_has_an_example():
    shown = " ".join(EXAMPLES)
    for command in commands():
        assert "remoractl " + " ".join(command) in shown or command == (), command
    assert len(EXAMPLES) > 15


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_works(example, remora, backend, directory):
    one = backend("a")
    daemon = remora()
    daemon.control.add(one.url, id="app-1")
    eventually(lambda: daemon.control.state("app-1") == "ACTIVE")
    write(directory, "servers.yaml", "servers:\n  - http://127.0.0.1:9001\n")
    write(directory, "web.yaml", WORKLOAD)
    env = {**os.environ, "REMORA_SERVER": daemon.control_target,
           "PATH": os.path.dirname(REMORACTL) + ":" + os.environ["PATH"]}
    if " top " in example:
        output, code = on_terminal(example.split()[1:], env=env, keys=b"q", until=b"app-1")
        assert code == 0 and b"ACTIVE" in output
    elif "--watch" in example:
        process = subprocess.Popen(example.split(), env=env, stdout=subprocess.PIPE, text=True)
        try:
            assert "app-1" in process.stdout.readline()
        finally:
            process.kill()
            process.communicate()
    else:
        run = subprocess.run(["bash", "-c", example], env=env, cwd=directory, capture_output=True,
                             text=True, timeout=30)
        assert run.returncode == 0, run


def test_the_help_of_remorad_fits_a_screen_and_its_examples_are_valid(directory):
    path = binary("REMORAD", "remorad")
    shown = subprocess.run([path, "--help"], capture_output=True, text=True, timeout=20).stdout
    lines = shown.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 100, shown
    examples = section(shown, "Examples")
    assert len(examples) >= 2
    for example in examples:
        run = subprocess.run([path, *example.split()[1:], "--validate"], cwd=directory,
                             capture_output=True, text=True, timeout=20)
        assert run.returncode == 0, (example, run)
