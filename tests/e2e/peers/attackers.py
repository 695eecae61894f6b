"""Slow and hostile clients, thousands at once on one thread.

Each first makes a proper request on its connection, so that all of them are there when the attack
begins (`begun`). From then on it is known when its clock at the proxy started anew (`started`),
when it saw that the proxy had ended the connection (`ended`), and when the proxy was seen to have
let go of it altogether (`released`: what is sent to it is refused).
"""
import fcntl
import select
import socket
import struct
import termios
import threading
import time

TICK = 0.2  # every attacker does something this often
SLICES = 10
CONNECTING_AT_ONCE = 100
# In each of the SLICES of a tick: all of them within a second, as a burst of them would make the
# proxy's clocks start late and the measured times too long.
BEGINNING_AT_ONCE = 40
GREETING = b"GET /name HTTP/1.1\r\nHost: slow.example\r\n\r\n"


class Attacker:
    """`listens`: it takes what comes."""
    listens = True
    kind = ""

    def __init__(self, address):
        self.ready = None
        self.begun = None
        self.started = None
        self.ended = None
        self.released = None
        self.received = b""
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.prepare()
        self.socket.connect_ex(address)

    def prepare(self):
        pass

    def begin(self):
        """The attack. True when there is no more to send for now."""
        raise NotImplementedError

    def on_tick(self):
        pass

    @property
    def status(self):
        return self.received[9:12].decode("ascii", "replace")

    @property
    def seconds(self):
        """From the start of its clock to the end of the connection."""
        return self.ended - self.started


class SlowHead(Attacker):
    """Sends a request's head a byte at a time. The clock starts with the first byte."""
    kind = "head"
    HEAD = b"GET / HTTP/1.1\r\nHost: slow.example\r\nX-Slow: " + b"x" * 1000

    def prepare(self):
        self.sent = 0

    def begin(self):
        self.started = time.monotonic()
        self.on_tick()
        return True

    def on_tick(self):
        self.socket.send(self.HEAD[self.sent:self.sent + 1])
        self.sent += 1


class StalledBody(Attacker):
    """Sends a head and a first part of the body, then nothing. The clock starts with the last
    byte."""
    kind = "body"
    FIRST_PART = 1000
    LENGTH = 10_000_000

    def prepare(self):
        self.left = memoryview(
            b"PUT /upload/x HTTP/1.1\r\nHost: slow.example\r\nContent-Length: %d\r\n\r\n"
            % self.LENGTH + b"x" * self.FIRST_PART)

    def begin(self):
        while self.left:
            self.started = time.monotonic()
            try:
                self.left = self.left[self.socket.send(self.left):]
            except BlockingIOError:
                return False
        return True


class StalledBulk(StalledBody):
    """As StalledBody, but in a body that the proxy had begun to relay in bulk."""
    kind = "bulk body"
    FIRST_PART = 250_000

    def prepare(self):
        super().prepare()
        # What is sent is soon read: little waits in the kernel.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)


class NoReader(Attacker):
    """Asks for a large answer and does not read it. The clock starts with the last bytes that its
    side of the connection took."""
    kind = "reader"
    listens = False

    def prepare(self):
        self.taken = 0
        # Small segments, as on a network: over loopback ones of 64 KiB the kernel would keep
        # megabytes for each connection, which is not what is measured here.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)

    def begin(self):
        self.socket.send(b"GET /files/large HTTP/1.1\r\nHost: slow.example\r\n\r\n")
        self.started = time.monotonic()
        return True

    def on_tick(self):
        answer = fcntl.ioctl(self.socket, termios.FIONREAD, struct.pack("i", 0))
        taken = struct.unpack("i", answer)[0]
        if taken != self.taken:
            self.taken = taken
            self.started = time.monotonic()


class Crowd:
    """A context manager: its attackers are connected when the block begins. The attack begins with
    `attack`."""

    def __init__(self, address, kinds, count):
        """`kinds` in turn, `count` attackers together."""
        self.attackers = []
        self._address = address
        self._kinds = kinds
        self._count = count
        self._epoll = select.epoll()
        self._by_fd = {}
        self._connecting = 0
        self._begun = 0
        self._attack = threading.Event()
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        try:
            self._wait(60, "ready", lambda one: one.ready)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        for attacker in self.attackers:
            attacker.socket.close()
        self._epoll.close()

    def of(self, kind):
        return [one for one in self.attackers if isinstance(one, kind)]

    def attack(self):
        self._attack.set()

    def wait_ended(self, timeout):
        self._wait(timeout, "ended", lambda one: one.ended)

    def wait_released(self, timeout):
        self._wait(timeout, "released", lambda one: one.released)

    def _wait(self, timeout, what, get):
        def all_are():
            return len(self.attackers) == self._count and all(map(get, self.attackers))
        with self._changed:
            if not self._changed.wait_for(all_are, timeout):
                left = [one for one in self.attackers if not get(one)]
                raise AssertionError(
                    f"after {timeout} s {len(left)} of {self._count} attackers are not {what}: "
                    f"{sorted({one.kind for one in left})}")

    # ---- on the thread ----

    def _run(self):
        turn = 0
        while not self._stop.is_set():
            began = time.monotonic()
            self._connect()
            if self._attack.is_set():
                self._begin()
            for attacker in self.attackers[turn::SLICES]:
                self._tick(attacker)
            turn = (turn + 1) % SLICES
            with self._changed:
                self._changed.notify_all()
            due = began + TICK / SLICES
            while (left := due - time.monotonic()) > 0:
                self._step(left)

    def _connect(self):
        while len(self.attackers) < self._count and self._connecting < CONNECTING_AT_ONCE:
            kind = self._kinds[len(self.attackers) % len(self._kinds)]
            attacker = kind(self._address)
            self._connecting += 1
            self._by_fd[attacker.socket.fileno()] = attacker
            self._epoll.register(attacker.socket, select.EPOLLOUT)
            self.attackers.append(attacker)

    def _begin(self):
        end = self._begun + BEGINNING_AT_ONCE
        for attacker in self.attackers[self._begun:end]:
            self._epoll.modify(attacker.socket, select.EPOLLOUT)
        self._begun = end

    def _step(self, timeout):
        for fd, events in self._epoll.poll(timeout):
            attacker = self._by_fd[fd]
            try:
                if events & (select.EPOLLHUP | select.EPOLLERR):
                    self._lost(attacker)
                elif events & select.EPOLLOUT:
                    self._writable(attacker)
                elif attacker.ready is None:
                    self._greeted(attacker)
                else:
                    self._readable(attacker)
            except BlockingIOError:
                pass
            except OSError:
                self._lost(attacker)

    def _writable(self, attacker):
        if attacker.ready is None:
            attacker.socket.send(GREETING)
            self._epoll.modify(attacker.socket, select.EPOLLIN)
            return
        attacker.begun = attacker.begun or time.monotonic()
        if attacker.begin():
            self._epoll.modify(attacker.socket,
                               select.EPOLLRDHUP | (select.EPOLLIN if attacker.listens else 0))

    def _greeted(self, attacker):
        answer = attacker.socket.recv(65536)
        if answer.startswith(b"HTTP/1.1 200 "):
            attacker.ready = True
            self._connecting -= 1
            self._epoll.modify(attacker.socket, 0)

    def _readable(self, attacker):
        data = attacker.socket.recv(65536) if attacker.listens else b""
        attacker.received += data
        if not data:
            attacker.ended = time.monotonic()
            # What is left to hear is a reset.
            self._epoll.modify(attacker.socket, 0)

    def _tick(self, attacker):
        if attacker.started is None or attacker.released is not None:
            return
        try:
            if attacker.ended is None:
                attacker.on_tick()
            else:
                attacker.socket.send(b"x")
        except BlockingIOError:
            pass
        except OSError:
            self._lost(attacker)

    def _lost(self, attacker):
        """Reset: the proxy holds nothing of it any more."""
        now = time.monotonic()
        attacker.ended = attacker.ended or now
        attacker.released = attacker.released or now
        if self._by_fd.pop(attacker.socket.fileno(), None):
            self._epoll.unregister(attacker.socket)
