"""What README shows works."""
import os
import re
import shlex
import subprocess

import pytest

from peers.daemon import binary

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def readme():
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        return file.read()


def blocks(language):
    return [text for name, text in BLOCK.findall(readme()) if name == language]


YAML = blocks("yaml")


def keys_of_schema():
    """The keys that the sources name, each as it stands before its colon in a file."""
    with open(os.path.join(ROOT, "server", "config", "schema.cc"), encoding="utf-8") as file:
        source = file.read()
    return set(re.findall(r'(?:Field\(|\{)\s*"([a-z_]+)"\s*,\s*(?=[&\[A-Z])', source))


def test_readme_shows_yaml():
    assert len(YAML) == 2, "the shortest file, and one with all the rest"


@pytest.mark.parametrize("number", range(len(YAML)))
def test_each_yaml_block_is_valid(number, directory):
    path = os.path.join(directory, "config.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(YAML[number])
    run = subprocess.run([binary("REMORAD", "remorad"), "--validate", "--config", path],
                         capture_output=True, text=True, timeout=20)
    assert run.returncode == 0, run.stderr


def test_every_key_is_shown():
    keys = keys_of_schema()
    assert {"servers", "jitter", "direction", "upstream_idle", "labels", "connections"} <= keys
    shown = set(re.findall(r"([a-z_]+):", "\n".join(YAML)))
    assert keys - shown == set()


@pytest.mark.parametrize("command", ["deploy/quickstart", "tests/run"])
def test_the_two_commands_exist(command):
    first_words = {line.split()[0] for text in blocks("") for line in text.splitlines() if line}
    assert command in first_words, "README shows it"
    assert os.access(os.path.join(ROOT, command), os.X_OK)
    run = subprocess.run([os.path.join(ROOT, command), "--help"], capture_output=True, text=True,
                         timeout=20)
    assert run.returncode == 0 and command in run.stdout, run


def grpcurl_lines():
    return [line.split("#")[0].strip() for text in blocks("") for line in text.splitlines()
            if line.startswith("grpcurl ")]


def test_the_calls_of_grpcurl_work(remora, grpcurl_binary):
    daemon = remora()
    lines = grpcurl_lines()
    assert len(lines) >= 5, "README shows them"
    for line in lines:
        words = shlex.split(line)
        assert words.pop(0) == "grpcurl"
        if "-unix" not in words:  # the same call, over the socket that this daemon has
            words.insert(0, "-unix")
        words = [daemon.control_path if word in ("127.0.0.1:3001", "/run/remora/control.sock")
                 else word for word in words]
        run = subprocess.run([grpcurl_binary, *words], capture_output=True, text=True, timeout=30)
        assert run.returncode == 0, f"{line}\n{run.stderr}"
