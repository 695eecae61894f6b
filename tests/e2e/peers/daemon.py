"""remorad as a process: started on free ports, watched through its log, ended by its pid."""
import json
import os
import signal
import subprocess
import threading
import time

from peers.control import Control
from peers.sanitizer import is_sanitized, reports  # noqa: F401 (the first one for the tests)
from peers.wait import eventually

SANITIZER_MARKS = ("Sanitizer", "runtime error:", "SUMMARY: ")


def binary(variable, name):
    path = os.environ.get(variable)
    if path is None:
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
        path = os.path.join(root, "build", "release", "bin", name)
    return os.path.abspath(path)


class Daemon:
    """One remorad. `start()` returns when it says `ready`; `stop()` checks how it ended."""

    def __init__(self, directory, protos, arguments, prefix=(), env=None):
        self.directory = directory
        self.protos = protos
        self.control_path = os.path.join(directory, "c.sock")
        self.arguments = [*prefix, binary("REMORAD", "remorad"), *arguments]
        self.env = {**os.environ, **(env or {})}
        self.process = None
        self.events = []  # parsed log lines
        self.raw_log = []  # everything on stderr
        self._changed = threading.Condition()
        self._reader = None
        self._control = None

    # ---- life ----

    def start(self, wait_ready=True):
        self.process = subprocess.Popen(self.arguments, stderr=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, env=self.env, cwd=self.directory)
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        if wait_ready:
            self.wait_event("ready", timeout=20)
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, timeout=20):
        code = self.process.wait(timeout)
        self._reader.join(10)
        return code

    def stop(self, timeout=20):
        """SIGTERM; expects a clean end within the time limit."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self.process is None:
            return
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            code = self.wait_exit(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"remorad did not end in {timeout} s\n{self.log_text()}")
        self.check_log()
        assert code == 0, f"remorad ended with {code}\n{self.log_text()}"

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def check_log(self):
        reports.check()
        text = self.log_text()
        for mark in SANITIZER_MARKS:
            assert mark not in text, f"a sanitizer report:\n{text}"

    # ---- log ----

    def _read_log(self):
        for line in self.process.stderr:
            text = line.decode("utf-8", "replace").rstrip("\n")
            with self._changed:
                self.raw_log.append(text)
                try:
                    self.events.append(json.loads(text))
                except ValueError:
                    pass
                self._changed.notify_all()
        with self._changed:
            self.raw_log.append("(end of log)")
            self._changed.notify_all()

    def log_text(self):
        with self._changed:
            return "\n".join(self.raw_log)

    def find_event(self, message, **fields):
        for event in self.events:
            if event.get("msg") == message and all(event.get(k) == v for k, v in fields.items()):
                return event
        return None

    def wait_event(self, message, timeout=10, **fields):
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                event = self.find_event(message, **fields)
                if event:
                    return event
                left = deadline - time.monotonic()
                ended = bool(self.raw_log) and self.raw_log[-1] == "(end of log)"
                if left <= 0 or ended:
                    text = "\n".join(self.raw_log)
                    raise AssertionError(f"no log line {message!r} {fields}:\n{text}")
                self._changed.wait(left)

    # ---- where it is ----

    def _address(self, socket_name, index=0):
        found = [e for e in self.events
                 if e.get("msg") == "listening" and e.get("socket") == socket_name]
        host, _, port = found[index]["address"].rpartition(":")
        return (host.strip("[]"), int(port))

    @property
    def data(self):
        return self._address("data")

    def listener(self, index):
        """In the order of the configuration."""
        return self._address("data", index)

    @property
    def admin(self):
        return self._address("admin")

    @property
    def url(self):
        host, port = self.data
        return f"http://{host}:{port}"

    @property
    def control_target(self):
        return f"unix:{self.control_path}"

    @property
    def control(self):
        if self._control is None:
            self._control = Control(self.control_target, self.protos)
        return self._control

    def wait_ready_servers(self, count, timeout=15):
        eventually(lambda: len(self.control.ready_servers()) == count, timeout,
                   f"{count} servers are ACTIVE")

    def memory(self):
        """Resident bytes: (now, most so far)."""
        values = {}
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            for line in file:
                key, _, rest = line.partition(":")
                if key in ("VmRSS", "VmHWM"):
                    values[key] = int(rest.split()[0]) * 1024
        return values["VmRSS"], values["VmHWM"]


def default_config(servers=(), pool=None, top=None):
    """A configuration for tests: probes follow quickly, the end is not delayed."""
    default_pool = {
        "name": "default",
        "servers": [s if isinstance(s, dict) else {"url": s} for s in servers],
        "health_check": {"interval": "200ms", "timeout": "1s", "rise": 1, "fall": 3},
    }
    for key, value in (pool or {}).items():
        if isinstance(value, dict) and isinstance(default_pool.get(key), dict):
            default_pool[key] = {**default_pool[key], **value}
        else:
            default_pool[key] = value
    config = {"pools": [default_pool], "shutdown": {"delay": "0s", "deadline": "10s"}}
    config.update(top or {})
    return config


def write_config(directory, config):
    """JSON is YAML."""
    path = os.path.join(directory, "config.yaml")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file, indent=1)
    return path
