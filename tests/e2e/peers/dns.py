"""A DNS server on UDP that answers what a test tells it."""
import socket
import struct
import threading

A, AAAA, SRV = 1, 28, 33
NXDOMAIN, SERVFAIL = 3, 2


def encode_name(name):
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


class DnsServer:
    def __init__(self):
        self.questions = []  # (name, type)
        self._lock = threading.Lock()
        self._answers = {}  # (name, type) -> (ttl, [data])
        self._failure = None  # instead of every answer
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self):
        return "127.0.0.1:%d" % self._socket.getsockname()[1]

    def addresses(self, name, addresses, ttl=1, type=A):
        family = socket.AF_INET if type == A else socket.AF_INET6
        with self._lock:
            self._answers[name, type] = (
                ttl, [socket.inet_pton(family, address) for address in addresses])

    def services(self, name, records, ttl=1):
        """records: (priority, weight, port, target) each."""
        data = [struct.pack("!HHH", *record[:3]) + encode_name(record[3]) for record in records]
        with self._lock:
            self._answers[name, SRV] = (ttl, data)

    def fail(self, code):
        """NXDOMAIN, SERVFAIL, "silence"; None: answers again."""
        with self._lock:
            self._failure = code

    def asked(self, name):
        return sum(1 for one, _ in list(self.questions) if one == name)

    def shut(self):
        self._wake()
        self._thread.join(10)
        self._socket.close()

    def _wake(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(b"", self._socket.getsockname())

    def _serve(self):
        while True:
            message, peer = self._socket.recvfrom(4096)
            if not message:
                return
            answer = self._answer(message)
            if answer:
                self._socket.sendto(answer, peer)

    def _answer(self, message):
        at, labels = 12, []
        while message[at]:
            labels.append(message[at + 1:at + 1 + message[at]].decode().lower())
            at += 1 + message[at]
        name, question = ".".join(labels), message[12:at + 5]
        (type,) = struct.unpack("!H", message[at + 1:at + 3])
        self.questions.append((name, type))
        with self._lock:
            failure = self._failure
            ttl, data = self._answers.get((name, type), (0, []))
            known = any(one == name for one, _ in self._answers)
        if failure == "silence":
            return None
        code = failure if failure is not None else 0 if known else NXDOMAIN
        if code:
            data = []
        head = message[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(data), 0, 0)
        records = [b"\xc0\x0c" + struct.pack("!HHIH", type, 1, ttl, len(one)) + one
                   for one in data]
        return head + question + b"".join(records)
