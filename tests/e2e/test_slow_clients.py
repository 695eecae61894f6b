"""Slow and hostile clients: the others don't notice them, they are gone in time, and each holds
only so much memory."""
import json
import os
import subprocess
import threading

import pytest

from peers.attackers import Crowd, NoReader, SlowHead, StalledBody, StalledBulk
from peers.daemon import binary, is_sanitized
from peers.http import fetch
from peers.wait import eventually

SANITIZED = os.path.exists(binary("REMORAD", "remorad")) and is_sanitized(
    binary("REMORAD", "remorad"))
ATTACKERS = 300 if SANITIZED else 2000
PER_KIND = 100 if SANITIZED else 667
GRACE = 10 if SANITIZED else 1  # seconds behind the time limit in which they are gone
# Behind a 408 the proxy still reads for 0.5 s (proxy/downstream/http1_session.cc says why): for the
# client the connection has ended, but the proxy lets go of it only then.
LINGER = 0.5

KIB = 1024
SIZES = [0, 1, 17, 100, 1000, 4096, 9999, 16384, 65537, 262144]  # of the load client's files
LARGE_FILE = 1024 * KIB  # more than the kernel and the proxy take from a backend for one reader

# What an attacked connection may hold of the proxy's own memory: a buffer of 16 KiB for each head,
# one of 16 or, in bulk, 128 KiB for each body that moves, and a little state (session, exchange,
# the connection to the backend).
SMALL = 16 * KIB
LARGE = 132 * KIB  # as malloc rounds it up to pages
STATE = 8 * KIB
BOUNDS = {
    SlowHead: SMALL + STATE,                  # the head
    StalledBody: 3 * SMALL + STATE,           # the head, the body, the answer's head
    StalledBulk: 3 * SMALL + LARGE + STATE,   # the same, and a hole where its body began
    NoReader: 2 * SMALL + LARGE + STATE,      # the head, the answer's head, the answer's body
}


def content(size):
    """As in load_client.cc."""
    return bytes(97 + (i * 7 + i // 26 + size) % 26 for i in range(size))


@pytest.fixture
def servers(nginx, directory):
    """Three servers of one process that have the files of the load client and a large one."""
    root = os.path.join(directory, "root")
    # The disk has no part in it: what comes of a body stays in memory.
    upload = "client_body_buffer_size 300k;"
    one = nginx("a", root=root, more=("b", "c"), upload=upload)
    for size in SIZES:
        with open(os.path.join(root, "files", str(size)), "wb") as file:
            file.write(content(size))
    with open(os.path.join(root, "files", "large"), "wb") as file:
        file.truncate(LARGE_FILE)
    os.makedirs(os.path.join(root, "upload"))
    return one.urls


@pytest.fixture
def proxy(remora, servers):
    def start(workers, time_limit):
        listener = {"address": "127.0.0.1:0", "timeouts": {"request_head": f"{time_limit}s"}}
        pool = {"timeouts": {"idle": f"{time_limit}s", "upstream_idle": "1s"}}
        return remora(servers, workers=workers, pool=pool, top={"listeners": [listener]})
    return start


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def pss(daemon):
    with open(f"/proc/{daemon.process.pid}/smaps_rollup", encoding="ascii") as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("Pss:")) * KIB


class GoodClients:
    """64 keep-alive clients that do requests until the block is left; every byte is checked."""

    def __init__(self, daemon, load_client):
        # They would take all processors from the thread that measures the attackers.
        self._command = ["nice", "-n", "10", load_client, daemon.data[0], str(daemon.data[1]),
                         "64", "4000"]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.first_round = threading.Event()
        self.done = 0
        self.failures = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        seed = 0
        while not self._stop.is_set() and not self.failures:
            seed += 1
            run = subprocess.run([*self._command, str(seed)], capture_output=True, text=True,
                                 timeout=240)
            if run.returncode != 0:
                self.failures.append(run.stdout + run.stderr)
            else:
                self.done += json.loads(run.stdout)["done"]
            self.first_round.set()


def late_ends(crowd, kind, time_limit):
    """Each was ended by its time limit, not before; whether one was ended too late."""
    attackers = crowd.of(kind)
    seconds = sorted(one.seconds for one in attackers)
    released = max(one.released - one.started for one in attackers)
    print(f"{kind.kind}: {len(seconds)} ended after {seconds[0]:.2f} to {seconds[-1]:.2f} s, "
          f"all let go of after {released:.2f} s")
    assert min(one.ended - one.begun for one in attackers) >= time_limit
    assert kind is NoReader or {one.status for one in attackers} == {"408"}
    linger = 0 if kind is NoReader else LINGER
    return seconds[-1] >= time_limit + GRACE or released >= time_limit + GRACE + linger


def test_two_thousand_attackers_do_not_disturb_64_good_clients(proxy, load_client):
    time_limit = 3
    daemon = proxy(workers=2, time_limit=time_limit)
    before = descriptors(daemon)
    kinds = [SlowHead, StalledBody, NoReader]
    with GoodClients(daemon, load_client) as good:
        assert good.first_round.wait(60)
        # Where something else has taken the processors for a second, it is not the proxy that was
        # late: that shows in the second attack too.
        for _ in range(2):
            done_before = good.done
            with Crowd(daemon.data, kinds, ATTACKERS) as crowd:
                crowd.attack()
                crowd.wait_ended(time_limit + 20)
                crowd.wait_released(time_limit + 20)
                late = [kind.kind for kind in kinds if late_ends(crowd, kind, time_limit)]
            assert good.done > done_before or good.failures
            if not late:
                break
    print(f"good clients: {good.done} requests")
    assert good.failures == []
    assert late == [], "ended too late, see above"
    assert fetch(daemon.data, target="/name").status == 200
    eventually(lambda: descriptors(daemon) <= before + 3, 20, "the descriptors are free again")


class Sampler:
    """The most memory while the block runs."""

    def __init__(self, daemon):
        self._daemon = daemon
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.most = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        stop = False
        while not stop:
            stop = self._stop.wait(0.05)
            self.most = max(self.most, pss(self._daemon))


def most_during_attack(daemon, kind, time_limit):
    connections = descriptors(daemon)
    with Sampler(daemon) as sampler, Crowd(daemon.data, [kind], PER_KIND) as crowd:
        crowd.attack()
        crowd.wait_ended(time_limit + 20)
        if kind is not NoReader:
            assert {one.status for one in crowd.attackers} == {"408"}
    # Those to backends are fewer or more by chance.
    eventually(lambda: descriptors(daemon) < connections + 10, 20, "they are gone")
    return sampler.most


@pytest.mark.parametrize("kind", BOUNDS, ids=lambda kind: kind.__name__)
def test_an_attacked_connection_holds_bounded_memory(proxy, kind):
    time_limit = 1
    daemon = proxy(workers=1, time_limit=time_limit)
    for _ in range(50):
        assert fetch(daemon.data, target="/name").status == 200
    before = pss(daemon)
    growths = [most_during_attack(daemon, kind, time_limit) - before for _ in range(3)]
    print(f"{kind.kind}: KiB a connection in each attack:",
          [round(growth / PER_KIND / KIB, 1) for growth in growths],
          f"at most {BOUNDS[kind] // KIB}; Pss {before // KIB} KiB before, "
          f"{pss(daemon) // KIB} KiB after")
    assert min(growths) > 0
    assert fetch(daemon.data, target="/name").status == 200
    if SANITIZED:  # a sanitizer keeps freed memory, and has its own for each allocation
        return
    # Later attacks find the memory of the first one: if it were lost, the third would pass the
    # bound. (They are not quite alike, as a new buffer counts only with the pages that were written
    # to and a used one with all.)
    assert max(growths) < BOUNDS[kind] * PER_KIND
