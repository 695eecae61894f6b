"""An HTTP/1.1 client on a raw socket: sends exactly the bytes it is told, reads strictly."""
import json
import socket


class Malformed(AssertionError):
    """What came is not an HTTP/1.1 answer."""


class Response:
    def __init__(self, version, status, reason, headers):
        self.version = version
        self.status = status
        self.reason = reason
        self.headers = headers  # [(name, value)] as received
        self.body = b""
        self.trailers = []
        self.interim = []  # 1xx answers before this one

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def header(self, name):
        """The only value of a field, or None."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} occurs {len(values)} times"
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.reason} {self.headers} {self.body[:200]!r}>"


class Connection:
    """One connection; a context manager. `address` is (host, port) or the path of a socket."""

    def __init__(self, address, timeout=10.0):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout=timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    # ---- sending ----

    def send(self, data):
        self.socket.sendall(data)

    def send_request(self, method, target, headers=(), body=b"", host="app.example",
                     version="HTTP/1.1"):
        lines = [f"{method} {target} {version}"]
        if host is not None:
            lines.append(f"Host: {host}")
        lines += [f"{name}: {value}" for name, value in headers]
        names = {name.lower() for name, _ in headers}
        if body and not names & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def request(self, method, target, headers=(), body=b"", **more):
        self.send_request(method, target, headers, body, **more)
        return self.read_response(method)

    def get(self, target, headers=(), **more):
        return self.request("GET", target, headers, **more)

    # ---- reading ----

    def read_some(self):
        """More bytes into the buffer; False at the end of the stream."""
        data = self.socket.recv(65536)
        self.buffer += data
        return bool(data)

    def _need(self):
        if not self.read_some():
            raise Malformed(f"the stream ended early after {self.buffer[:200]!r}")

    def read_line(self):
        while b"\n" not in self.buffer:
            self._need()
        line, self.buffer = self.buffer.split(b"\n", 1)
        if not line.endswith(b"\r"):
            raise Malformed(f"a line that ends in a bare LF: {line!r}")
        return line[:-1]

    def read_exactly(self, count):
        while len(self.buffer) < count:
            self._need()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def _fields(self):
        fields = []
        while line := self.read_line():
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or not name or name != name.strip():
                raise Malformed(f"a bad field line: {line!r}")
            fields.append((name, value.strip(" \t")))
        return fields

    def read_head(self):
        """The next head, 1xx included."""
        line = self.read_line().decode("latin-1")
        parts = line.split(" ", 2)
        if len(parts) < 3 or parts[0] not in ("HTTP/1.1", "HTTP/1.0") or len(parts[1]) != 3:
            raise Malformed(f"a bad status line: {line!r}")
        return Response(parts[0], int(parts[1]), parts[2], self._fields())

    def read_chunk(self):
        """One chunk; b"" for the last one, whose trailers are left to read."""
        line = self.read_line()
        size = int(line.split(b";")[0], 16)
        data = self.read_exactly(size)
        if size and self.read_exactly(2) != b"\r\n":
            raise Malformed("a chunk without CRLF behind it")
        return data

    def read_body(self, response, method):
        if method == "HEAD" or response.status in (204, 304):
            return
        coding = response.header("Transfer-Encoding")
        length = response.header("Content-Length")
        if coding is not None:
            if coding.lower() != "chunked" or length is not None:
                raise Malformed(f"framing: {response.headers}")
            parts = []
            while chunk := self.read_chunk():
                parts.append(chunk)
            response.body = b"".join(parts)
            response.trailers = self._fields()
        elif length is not None:
            response.body = self.read_exactly(int(length))
        else:
            while self.read_some():
                pass
            response.body, self.buffer = self.buffer, b""

    def read_response(self, method="GET"):
        interim = []
        while True:
            response = self.read_head()
            if response.status >= 200 or response.status == 101:
                break
            interim.append(response)
        response.interim = interim
        if response.status != 101:
            self.read_body(response, method)
        return response

    def at_end(self):
        """True when the peer closes (or has closed) and sent nothing more; waits for it."""
        if self.buffer:
            return False
        try:
            return not self.read_some()
        except ConnectionResetError:
            return True


def fetch(address, method="GET", target="/", headers=(), body=b"", **more):
    """One request on a connection of its own."""
    with Connection(address) as connection:
        return connection.request(method, target, headers, body, **more)


def refuses(address):
    try:
        socket.create_connection(address, timeout=2).close()
        return False
    except OSError:
        return True
