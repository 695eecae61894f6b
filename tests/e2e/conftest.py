"""Fixtures of the end-to-end tests: real processes on ports that the kernel chose."""
import json
import os
import resource
import shutil
import socket
import subprocess
import tempfile

import pytest

from peers import control as control_peer
from peers.backend import Backend, echo
from peers.daemon import Daemon, binary, default_config, write_config
from peers.discover import Discover
from peers.nginx import Nginx
from peers.sanitizer import is_sanitized, reports

E2E_DIR = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(E2E_DIR))

# No proxy of the machine's may come between us and ourselves.
for variable in ("http_proxy", "https_proxy", "all_proxy"):
    os.environ.pop(variable, None)
    os.environ.pop(variable.upper(), None)
# Nor may settings that the user has for a remorad of their own.
for variable in [name for name in os.environ if name.startswith("REMORA_")]:
    if not variable.startswith("REMORA_E2E_"):
        del os.environ[variable]

# Tests that say nothing about a sanitized build, and why.
NOT_SANITIZED = {
    "test_a_4_gib_download": "4 GiB are too slow here, and memory is not the daemon's alone",
    "test_a_4_gib_upload": "4 GiB are too slow here, and memory is not the daemon's alone",
}


def pytest_collection_modifyitems(items):
    path = binary("REMORAD", "remorad")
    if not os.path.exists(path) or not is_sanitized(path):
        return
    for item in items:
        reason = NOT_SANITIZED.get(getattr(item, "originalname", item.name))
        if reason:
            item.add_marker(pytest.mark.skip(reason=f"sanitized build: {reason}"))


@pytest.fixture(scope="session", autouse=True)
def sanitizer_reports():
    directory = tempfile.mkdtemp(prefix="remora-sanitizer-")
    reports.collect_in(directory)
    yield
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(autouse=True)
def no_sanitizer_report(sanitizer_reports):
    """The test during which one was written fails, whichever process wrote it."""
    yield
    reports.check()


@pytest.fixture(scope="session", autouse=True)
def many_descriptors():
    """Some tests hold more than a thousand connections on both sides."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture(scope="session", autouse=True)
def binaries():
    for variable, name in (("REMORAD", "remorad"), ("REMORACTL", "remoractl")):
        path = binary(variable, name)
        assert os.access(path, os.X_OK), f"no {path}: build the release preset or set {variable}"


@pytest.fixture(scope="session")
def protos():
    directory = tempfile.mkdtemp(prefix="remora-proto-")
    yield control_peer.compile_protos(os.path.join(ROOT, "proto"), directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def directory():
    """A short path: socket names may have 107 bytes only."""
    path = tempfile.mkdtemp(prefix="remora-")
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def refusing_port():
    """refusing_port(): one that is bound and not listened at, so that it refuses and nobody else, a
    daemon's own listeners included, gets it before the test has ended."""
    held = []

    def hold():
        held.append(socket.socket())
        held[-1].bind(("127.0.0.1", 0))
        return held[-1].getsockname()[1]

    yield hold
    for one in held:
        one.close()


@pytest.fixture
def backend(directory):
    """backend(name, handler): a backend of our own. Ends with the test, which must not have made
    the proxy send it anything malformed."""
    started = []

    def start(name="a", handler=echo, **more):
        one = Backend(name, handler, **more)
        started.append(one)
        return one

    yield start
    for one in started:
        one.shut()
    for one in started:
        assert one.violations == [], f"what reached backend {one.name}"


@pytest.fixture
def nginx(directory):
    started = []

    def start(name="a", **more):
        one = Nginx(directory, name, **more)
        started.append(one)
        return one

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def remora(directory, protos, backend, nginx):
    """remora(servers, ...): a remorad that is ready and has all `servers` ACTIVE.

    servers: urls, or maps as in the file. pool: more keys for the pool. top: more top-level keys.
    flags: more arguments. wait_active=False: don't wait for the servers. wait_ready=False: for
    nothing.

    It asks for `backend` and `nginx` to be taken down before them.
    """
    started = []

    def start(servers=(), workers=1, pool=None, top=None, flags=(), wait_active=True, prefix=(),
              env=None, wait_ready=True):
        home = tempfile.mkdtemp(prefix="r", dir=directory)
        config = write_config(home, default_config(servers, pool, top))
        control = os.path.join(home, "c.sock")
        arguments = ["--config", config, "--control", f"unix:{control}", "--admin", "127.0.0.1:0",
                     "--log-format", "json", "--workers", str(workers), *flags]
        if "listeners" not in (top or {}):  # the flag would win over the file
            arguments += ["--listen", "127.0.0.1:0"]
        daemon = Daemon(home, protos, arguments, prefix, env)
        started.append(daemon)
        daemon.start(wait_ready)
        if wait_ready and wait_active and servers:
            daemon.wait_ready_servers(len(servers))
        return daemon

    yield start
    try:
        for daemon in started:
            daemon.stop()
    finally:
        for daemon in started:
            daemon.kill()


@pytest.fixture
def sidecar(remora):
    return remora()


@pytest.fixture
def discover(directory, protos):
    """discover(sidecar, arguments): a running `remoractl discover`, ready unless told otherwise."""
    started = []

    def start(sidecar, *arguments, wait_ready=True, env=None):
        home = tempfile.mkdtemp(prefix="d", dir=directory)
        one = Discover(home, protos, sidecar.control_target, ["--poll", "200ms", *arguments], env)
        started.append(one)
        return one.start(wait_ready)

    yield start
    try:
        for one in started:
            one.stop()
    finally:
        for one in started:
            one.kill()


@pytest.fixture
def remoractl():
    """remoractl(daemon or None, arguments): the finished process, with text output."""
    def run(daemon, *arguments, env=None, timeout=30):
        command = [binary("REMORACTL", "remoractl")]
        if daemon is not None:
            command += ["--server", daemon.control_target]
        return subprocess.run([*command, *arguments], capture_output=True, text=True,
                              env={**os.environ, **(env or {})}, timeout=timeout)
    return run


@pytest.fixture
def curl():
    """curl(arguments): the finished process, with bytes as output."""
    def run(*arguments, timeout=60):
        return subprocess.run(["curl", "-sS", "--noproxy", "*", "--max-time", str(timeout),
                               *arguments], capture_output=True, timeout=timeout + 10)
    return run


@pytest.fixture(scope="session")
def grpcurl_binary():
    """Built once from source where there is a Go toolchain; kept in the build directory."""
    installed = shutil.which("grpcurl")
    if installed:
        return installed
    tools = os.path.join(ROOT, "build", "tools")
    path = os.path.join(tools, "grpcurl")
    if os.path.exists(path):
        return path
    go = shutil.which("go")
    if go is None:
        pytest.skip("neither grpcurl nor go is installed")
    made = subprocess.run([go, "install", "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.1"],
                          env={**os.environ, "GOBIN": tools}, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"grpcurl can't be built: {made.stderr[-300:]}")
    return path


@pytest.fixture
def grpcurl(grpcurl_binary):
    """grpcurl(daemon, words, field=value): the finished process. It knows no proto file."""
    def run(daemon, *words, **request):
        command = [grpcurl_binary, "-plaintext", "-unix"]
        if request:
            command += ["-d", json.dumps(request)]
        return subprocess.run([*command, daemon.control_path, *words], capture_output=True,
                              text=True, timeout=30)
    return run


@pytest.fixture(scope="session")
def load_client():
    """The path of the load client: built with the tests, else compiled here."""
    built = os.path.join(os.path.dirname(binary("REMORAD", "remorad")), "remora_load_client")
    if os.path.exists(built):
        yield built
        return
    directory = tempfile.mkdtemp(prefix="remora-load-")
    path = os.path.join(directory, "load_client")
    subprocess.run(["clang++-19", "-std=c++23", "-O2", "-pthread", "-o", path,
                    os.path.join(E2E_DIR, "load_client.cc")], check=True)
    yield path
    shutil.rmtree(directory, ignore_errors=True)
