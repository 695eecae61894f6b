"""Runs remorad in an empty root directory; called in a network namespace of its own.

    unshare -n python3 empty_root.py ROOT

ROOT holds remorad, etc/hosts (from-hosts) and etc/resolv.conf (127.0.0.1). A DNS server here knows
from-dns.example. Prints one line for each name: the name and the status of a request that was
forwarded to it.
"""
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from peers.backend import Backend  # noqa: E402
from peers.http import fetch  # noqa: E402
from peers.wait import eventually  # noqa: E402

KNOWN = b"\x08from-dns\x07example\x00"


def bring_up_loopback():
    """SIOCSIFFLAGS with IFF_UP, as `ip link set lo up` does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x1))


def serve_dns(server):
    """A records of 127.0.0.1 for the known name, no data for its AAAA, NXDOMAIN for the rest."""
    while True:
        query, peer = server.recvfrom(512)
        end = query.index(b"\0", 12) + 1
        name, question = query[12:end].lower(), query[12:end + 4]
        is_a = query[end:end + 2] == b"\0\x01"
        answer, code = b"", 0 if name == KNOWN else 3
        if name == KNOWN and is_a:
            answer = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04" + bytes([127, 0, 0, 1])
        head = query[:2] + struct.pack(">HHHHH", 0x8580 | code, 1, 1 if answer else 0, 0, 0)
        server.sendto(head + question + answer, peer)


def status_through(data, name, host):
    """The daemon spreads over both servers, so the wanted one is found by what it received."""
    before = len(name.requests)
    answer = fetch(data, host=host)
    return answer.status if len(name.requests) > before else None


def main(root):
    bring_up_loopback()
    dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dns.bind(("127.0.0.1", 53))
    threading.Thread(target=serve_dns, args=(dns,), daemon=True).start()
    by_hosts, by_dns = Backend("hosts"), Backend("dns")
    daemon = subprocess.Popen(
        ["/remorad", "--listen", "127.0.0.1:3000", "--admin", "127.0.0.1:3002",
         "--control", "unix:/c.sock", "--shutdown-delay", "0s",
         "--server", f"from-hosts:{by_hosts.address[1]}",
         "--server", f"from-dns.example:{by_dns.address[1]}"],
        preexec_fn=lambda: (os.chroot(root), os.chdir("/")), env={},
        stdout=subprocess.DEVNULL)  # the access log
    try:
        for backend, name in ((by_hosts, "from-hosts"), (by_dns, "from-dns.example")):
            def reached(one=backend):
                try:
                    return status_through(("127.0.0.1", 3000), one, "app.example")
                except OSError:
                    return None
            print(name, eventually(reached, 20, f"a request reaches {name}"))
        daemon.send_signal(signal.SIGTERM)
        return daemon.wait(20)
    finally:
        daemon.kill()


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stdout.flush()
    os._exit(code)  # the backends' threads need no goodbye
