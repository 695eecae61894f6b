"""Keep-alive clients on threads that go on until they are told to stop."""
import threading
import time

from peers.http import Connection


class Traffic:
    """A context manager; `results` counts answers by backend, `failures` lists everything else.

    `mark()` starts a phase: answers to requests sent after it are in `since_mark`.
    """

    def __init__(self, address, clients=4, target="/", method="GET"):
        self.failures = []
        self.results = {}
        self.since_mark = {}
        self._address = address
        self._target = target
        self._method = method
        self._lock = threading.Lock()
        self._phase = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self):
        self.started = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.seconds = time.monotonic() - self.started

    @property
    def total(self):
        return sum(self.results.values())

    def mark(self):
        with self._lock:
            self._phase += 1
            self.since_mark = {}

    def _run(self):
        connection = None
        while not self._stop.is_set():
            with self._lock:
                phase = self._phase
            try:
                if connection is None:
                    connection = Connection(self._address)
                answer = connection.request(self._method, self._target)
                if (answer.header("Connection") or "").lower() == "close":
                    connection.close()
                    connection = None
                self._record(answer, phase)
            except Exception as error:  # whatever it is, the client got no answer
                with self._lock:
                    self.failures.append(repr(error))
                if connection is not None:
                    connection.close()
                    connection = None
        if connection is not None:
            connection.close()

    def _record(self, answer, phase):
        name = answer.header("X-Backend")
        with self._lock:
            if answer.status != 200:
                self.failures.append(f"{answer.status} {answer.body[:200]!r}")
                return
            self.results[name] = self.results.get(name, 0) + 1
            if phase == self._phase:
                self.since_mark[name] = self.since_mark.get(name, 0) + 1
