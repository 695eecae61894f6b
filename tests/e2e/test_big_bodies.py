"""Bodies far larger than memory pass in bounded memory, at the speed of the machine."""
import contextlib
import os
import socket
import threading

import pytest

from peers.daemon import binary, is_sanitized
from peers.http import Connection, fetch

MIB = 1 << 20
SANITIZED = is_sanitized(binary("REMORAD", "remorad")) if os.path.exists(
    binary("REMORAD", "remorad")) else False
SIZE = 256 * MIB if SANITIZED else 4096 * MIB
MOST_GROWTH = 32 * MIB

NO_PROBE = {"health_check": {"probe": "none"}}


def check_growth(daemon, before):
    _, most = daemon.memory()
    growth = most - before
    print(f"resident memory grew by {growth / MIB:.1f} MiB")
    if not SANITIZED:  # a sanitizer keeps freed memory for a while
        assert growth < MOST_GROWTH


def sparse_file(path, size):
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def test_a_4_gib_download(remora, nginx, curl):
    server = nginx("a")
    sparse_file(os.path.join(server.root, "files", "big"), SIZE)
    daemon = remora([server.url])
    before, _ = daemon.memory()
    got = curl("-o", "/dev/null", "-w", "%{http_code} %{size_download}",
               daemon.url + "/files/big", timeout=60)
    assert got.stdout.decode() == f"200 {SIZE}", got.stderr
    check_growth(daemon, before)


class Sink:
    """Takes one upload as fast as the kernel gives it, then tells its length."""

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                with peer:
                    self._serve(peer)

    @staticmethod
    def _serve(peer):
        buffer = bytearray(MIB)
        head = b""
        while b"\r\n\r\n" not in head:
            data = peer.recv(65536)
            if not data:
                return
            head += data
        head, _, body = head.partition(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        length, taken = int(fields[b"content-length"]), len(body)
        while taken < length:
            count = peer.recv_into(buffer)
            if count == 0:
                return
            taken += count
        text = b"%d" % taken
        peer.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                     % (len(text), text))


def test_a_4_gib_upload(remora, curl, directory):
    path = sparse_file(os.path.join(directory, "big"), SIZE)
    with Sink() as sink:
        daemon = remora([sink.url], pool=NO_PROBE)
        before, _ = daemon.memory()
        got = curl("-T", path, "-H", "Expect:", daemon.url + "/upload", timeout=60)
        assert got.stdout.decode() == str(SIZE), got.stderr
        check_growth(daemon, before)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_client_that_does_not_read_holds_the_backend_back(remora, nginx, workers):
    """Nothing piles up in between: the kernel's buffers and one relay buffer are all there is."""
    server = nginx("a")
    sparse_file(os.path.join(server.root, "files", "big"), 512 * MIB)
    daemon = remora([server.url], workers=workers)
    before, _ = daemon.memory()
    clients = [Connection(daemon.data) for _ in range(20)]
    for client in clients:
        client.send_request("GET", "/files/big")
        assert client.read_head().status == 200
    for _ in range(200):  # others are served meanwhile
        assert fetch(daemon.data, target="/name").status == 200
    check_growth(daemon, before)
    for client in clients:
        client.close()


def test_many_small_bodies_at_once_stay_small(remora, backend):
    one = backend()
    daemon = remora([one.url])
    before, _ = daemon.memory()
    clients = [Connection(daemon.data) for _ in range(200)]
    for client in clients:
        client.send_request("POST", "/", body=b"x" * 10_000)
    for client in clients:
        assert client.read_response("POST").status == 200
    for client in clients:
        client.close()
    check_growth(daemon, before)
