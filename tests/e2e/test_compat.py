"""Nothing of tests/compat/README.md is removed or renamed; what is new is listed there."""
import json
import os
import shutil
import subprocess
import sys
import urllib.request

import pytest

from peers.daemon import binary
from peers.wait import eventually

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "compat"))
import surfaces  # noqa: E402

PROTO = os.path.join(ROOT, "proto")


def gone(name, found):
    promised = surfaces.read(name)
    assert promised, f"{name} is empty"
    if name == "metrics.txt":
        return surfaces.metrics_broken(promised, found)
    return promised - found


def new(name, found):
    promised = surfaces.read(name)
    return surfaces.metrics_added(promised, found) if name == "metrics.txt" else found - promised


def check(name, found):
    if os.environ.get("COMPAT_UPDATE"):
        surfaces.add(name, new(name, found))
    removed, added = gone(name, found), new(name, found)
    assert not removed, ("removed, renamed or changed, against tests/compat/README.md:\n"
                         + "\n".join(sorted(removed)))
    assert not added, (f"new; run this test with COMPAT_UPDATE=1, it adds to {name}:\n"
                       + "\n".join(sorted(added)))


# ---- what the binaries have ----

def get(daemon, path):
    with urllib.request.urlopen(f"http://{daemon.admin[0]}:{daemon.admin[1]}{path}") as answer:
        return answer.read().decode()


@pytest.fixture
def access_log(directory):
    return os.path.join(directory, "access.log")


@pytest.fixture
def used(remora, backend, curl, access_log):
    """A sidecar with something to count: an answer, a refused request, a retry and control calls."""
    # Nobody listens on it, and nothing asks before the first request does.
    dead = "http://127.0.0.1:1"
    top = {"log": {"access": {"path": access_log}}}
    daemon = remora([backend().url, dead], pool={"health_check": {"probe": "none"}}, top=top)
    for path in ("/a", "/b", "/c"):
        assert curl("--fail", daemon.url + path).returncode == 0
    curl("-H", "Transfer-Encoding: gzip", daemon.url + "/refused")
    return daemon


def test_proto():
    check("proto.txt", surfaces.proto_surface(PROTO))


def test_config():
    shown = subprocess.run([binary("REMORAD", "remorad"), "--print-schema"], capture_output=True,
                           text=True, timeout=20)
    assert shown.returncode == 0, shown.stderr
    check("config.txt", surfaces.config_surface(json.loads(shown.stdout)))


def test_metrics(used):
    check("metrics.txt", surfaces.metrics_surface(get(used, "/metrics")))


def test_access_log(used, access_log):
    with open(access_log, encoding="utf-8") as file:
        eventually(lambda: os.path.getsize(access_log) > 0, 10, "a line of the access log")
        check("log.txt", set(json.loads(file.readline())))


# ---- these tests see what they are for ----

@pytest.mark.parametrize("before,after", [
    ("string reason = 2;", "string cause = 2;"),                      # renamed
    ("string reason = 2;", "string reason = 12;"),                    # another number
    ("uint32 max_active = 3;", "uint64 max_active = 3;"),             # another type
    ("repeated Server servers = 1;", "Server servers = 1;"),          # one, no longer many
    ("    UNHEALTHY = 3;", "    SICK = 3;"),
    ("  rpc Health(HealthRequest)", "  rpc GetHealth(HealthRequest)"),
])
def test_a_changed_proto_is_seen(before, after, directory):
    changed = os.path.join(directory, "proto")
    shutil.copytree(PROTO, changed)
    path = os.path.join(changed, "remora", "v1", "control.proto")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert before in text
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(before, after, 1))
    assert len(gone("proto.txt", surfaces.proto_surface(changed))) == 1


def schema_of(keys):
    """The JSON Schema that has these keys."""
    root = {}
    for key in sorted(keys):
        at = root
        for part in key.split("."):
            at = at.setdefault("properties", {}).setdefault(part.removesuffix("[]"), {})
            if part.endswith("[]"):
                at = at.setdefault("items", {})
    return root


def test_a_removed_key_is_seen():
    keys = surfaces.read("config.txt")
    assert surfaces.config_surface(schema_of(keys)) == keys
    for key in ("workers", "pools[].timeouts.connect", "servers[].weight"):
        assert gone("config.txt", surfaces.config_surface(schema_of(keys - {key}))) == {key}


def exposition_of(lines):
    text = []
    for kind, name, *labels in (line.split() for line in sorted(lines)):
        text.append(f"# TYPE {name} {kind}")
        shown = ",".join(f'{label}="x, y=\\"z\\""' for label in labels)
        suffix = "_sum" if kind == "histogram" else ""
        text.append(f"{name}{suffix}{{{shown}}} 1" if labels else f"{name}{suffix} 1")
    return "\n".join(text) + "\n"


@pytest.mark.parametrize("before,after", [
    ("remora_errors_total", "remora_failures_total"),                               # renamed
    ("# TYPE remora_connections gauge", "# TYPE remora_connections counter"),       # another type
    ('remora_server_picks_total{pool="', 'remora_server_picks_total{group="'),      # another label
])
def test_a_changed_metric_is_seen(before, after):
    text = exposition_of(surfaces.read("metrics.txt"))
    assert gone("metrics.txt", surfaces.metrics_surface(text)) == set()
    assert before in text
    assert len(gone("metrics.txt", surfaces.metrics_surface(text.replace(before, after)))) == 1


def test_a_removed_field_of_the_log_is_seen():
    fields = surfaces.read("log.txt")
    assert gone("log.txt", fields - {"t_total_ms"}) == {"t_total_ms"}
