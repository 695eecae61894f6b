"""A backend that does what a test tells it, and is strict about what reaches it.

It runs an asyncio loop on a thread of its own. A handler is `async def handler(exchange)`; the
default one echoes the request as JSON. Whatever a correct proxy would not send is noted in
`violations`, which the fixture expects to be empty at the end.
"""
import asyncio
import json
import re
import socket
import struct
import threading

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
HOP_BY_HOP = {"keep-alive", "proxy-connection", "proxy-authenticate"}


class Violation(Exception):
    pass


class Request:
    def __init__(self, method, target, version, headers, connection):
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers  # [(name, value)] as received
        self.connection = connection  # number of the connection it came on
        self.body = b""
        self.body_length = 0
        self.trailers = []

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def header(self, name):
        values = self.all(name)
        assert len(values) <= 1, f"{name} occurs {len(values)} times"
        return values[0] if values else None

    def __repr__(self):
        return f"<{self.method} {self.target} {self.headers}>"


class Gate:
    """Handlers wait at it; a test sees them arrive and lets them go."""

    def __init__(self, loop):
        self._loop = loop
        self._event = asyncio.Event()
        self._arrived = threading.Semaphore(0)

    async def wait(self):
        self._arrived.release()
        await self._event.wait()

    def await_arrivals(self, count=1, timeout=10.0):
        for _ in range(count):
            assert self._arrived.acquire(timeout=timeout), "no request arrived at the backend"

    def open(self):
        self._loop.call_soon_threadsafe(self._event.set)


class Exchange:
    """One request and the means to answer it."""

    def __init__(self, backend, request, reader, writer):
        self.backend = backend
        self.request = request
        self.reader = reader
        self.writer = writer
        self.keep_open = True
        self._body_read = False

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def send_head(self, status, headers=(), reason="OK"):
        lines = [f"HTTP/1.1 {status} {reason}", f"X-Backend: {self.backend.name}"]
        lines += [f"{name}: {value}" for name, value in headers]
        await self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")

    async def answer(self, status=200, headers=(), body=b"", reason="OK"):
        length = [] if status in (204, 304) else [("Content-Length", len(body))]
        await self.send_head(status, list(headers) + length, reason)
        if body and self.request.method != "HEAD":
            await self.send(body)

    async def send_chunk(self, data):
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def read_body(self):
        """The whole body, kept unless it is large."""
        if not self._body_read:
            self._body_read = True
            async for part in self.body_parts():
                self.request.body_length += len(part)
                if self.request.body_length <= 4_000_000:
                    self.request.body += part
        return self.request.body

    async def body_parts(self):
        self._body_read = True
        request = self.request
        if request.header("Transfer-Encoding") is not None:
            while True:
                line = await self.backend.read_line(self.reader)
                if not re.fullmatch(rb"[0-9A-Fa-f]+", line):
                    raise Violation(f"chunk size line {line!r}")
                size = int(line, 16)
                if size == 0:
                    break
                while size:
                    part = await self.reader.read(min(size, 262144))
                    if not part:
                        raise Violation("the stream ended inside a chunk")
                    size -= len(part)
                    yield part
                if await self.reader.readexactly(2) != b"\r\n":
                    raise Violation("a chunk without CRLF behind it")
            request.trailers = await self.backend.read_fields(self.reader)
            return
        left = int(request.header("Content-Length") or 0)
        while left:
            part = await self.reader.read(min(left, 262144))
            if not part:
                raise ConnectionError("the stream ended inside the body")
            left -= len(part)
            yield part

    def abort(self):
        """Closes with RST."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        self.keep_open = False

    def close(self):
        self.keep_open = False


async def echo(exchange):
    """Says what was received."""
    body = await exchange.read_body()
    request = exchange.request
    text = json.dumps({
        "backend": exchange.backend.name,
        "method": request.method,
        "target": request.target,
        "headers": request.headers,
        "trailers": request.trailers,
        "body": body.decode("latin-1"),
        "connection": request.connection,
    }).encode()
    await exchange.answer(200, [("Content-Type", "application/json")], text)


class Backend:
    """`address`: (ip, port) or the path of a unix socket."""

    def __init__(self, name="a", handler=echo, unix_path=None, port=0, healthy=True):
        self.name = name
        self.handler = handler
        self.healthy = healthy
        self.violations = []
        self.requests = []  # without probes
        self.probes = 0
        self.passed_probes = 0
        self.before_first_pass = 0  # requests that came before a probe had passed
        self.connections = 0
        self.active = 0
        self.most_active = 0
        self._unix_path = unix_path
        self._port = port
        self._writers = set()
        self._server = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.start()

    # ---- from the test's thread ----

    @property
    def address(self):
        return self._unix_path or ("127.0.0.1", self._port)

    @property
    def url(self):
        return f"unix:{self._unix_path}" if self._unix_path else f"http://127.0.0.1:{self._port}"

    @property
    def id(self):
        return f"127-0-0-1-{self._port}"

    def gate(self):
        async def make():
            return Gate(self._loop)
        return self._run(make())

    def hold(self):
        """From now on requests wait at the gate that is returned, and are echoed then."""
        gate = self.gate()

        async def wait(exchange):
            await gate.wait()
            await echo(exchange)

        self.handler = wait
        return gate

    def start(self):
        """Listens; again on the same address after stop()."""
        self._run(self._start())

    def stop(self):
        """Refuses connections and cuts those there are."""
        self._run(self._stop())

    def shut(self):
        self.stop()
        self._run(self._end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def close_idle(self):
        """Closes every connection, as a backend does whose keep-alive time is over."""
        async def close():
            for writer in list(self._writers):
                writer.close()
        self._run(close())

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    # ---- on the loop ----

    async def _start(self):
        if self._unix_path:
            self._server = await asyncio.start_unix_server(
                self._serve, self._unix_path, limit=1 << 20, backlog=4096)
            return
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self._port, limit=1 << 20, backlog=4096)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _stop(self):
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def _end_tasks(self):
        tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        self.connections += 1
        number = self.connections
        self._writers.add(writer)
        try:
            while await self._serve_one(reader, writer, number):
                pass
        except Violation as violation:
            self.violations.append(str(violation))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the peer or the test has gone
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _serve_one(self, reader, writer, number):
        try:
            start = await self.read_line(reader)
        except asyncio.IncompleteReadError as error:
            if error.partial:
                self.violations.append(f"half a request line: {error.partial!r}")
            return False
        request = self._parse_start(start, number)
        request.headers = await self.read_fields(reader)
        exchange = Exchange(self, request, reader, writer)
        if request.method == "GET" and request.target.endswith("/health"):
            self.probes += 1
            self.passed_probes += self.healthy
            await exchange.answer(200 if self.healthy else 503, body=b"probe\n")
            return (request.header("Connection") or "").lower() != "close"
        self._check_head(request)
        self.requests.append(request)
        self.before_first_pass += self.passed_probes == 0
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        try:
            await self.handler(exchange)
        finally:
            self.active -= 1
        return exchange.keep_open

    async def read_line(self, reader):
        line = await reader.readuntil(b"\n")
        if not line.endswith(b"\r\n"):
            raise Violation(f"a line that ends in a bare LF: {line!r}")
        return line[:-2]

    async def read_fields(self, reader):
        fields = []
        while line := await self.read_line(reader):
            name, colon, value = line.partition(b":")
            if not colon or not TOKEN.match(name):
                raise Violation(f"a bad field line: {line!r}")
            value = value.strip(b" \t")
            if any(byte < 0x20 and byte != 9 or byte == 0x7F for byte in value):
                raise Violation(f"a control byte in {line!r}")
            fields.append((name.decode("latin-1"), value.decode("latin-1")))
        return fields

    @staticmethod
    def _parse_start(line, number):
        parts = line.split(b" ")
        if len(parts) != 3 or not TOKEN.match(parts[0]) or parts[2] != b"HTTP/1.1":
            raise Violation(f"a bad request line: {line!r}")
        if any(byte <= 0x20 or byte == 0x7F for byte in parts[1]):
            raise Violation(f"a bad target: {line!r}")
        method, target, version = (part.decode("latin-1") for part in parts)
        return Request(method, target, version, [], number)

    def _check_head(self, request):
        """What RFC 9112 asks of every request that a proxy sends."""
        names = [name.lower() for name, _ in request.headers]
        if names.count("host") != 1:
            self.violations.append(f"{names.count('host')} Host fields: {request}")
        if names.count("content-length") + names.count("transfer-encoding") > 1:
            self.violations.append(f"ambiguous framing: {request}")
        if (request.header("Transfer-Encoding") or "chunked").lower() != "chunked":
            self.violations.append(f"an unknown coding: {request}")
        if any(n in HOP_BY_HOP for n in names):
            self.violations.append(f"a hop-by-hop field was passed on: {request}")
        options = [o.strip().lower() for o in (request.header("Connection") or "").split(",")]
        for name in ("upgrade", "te"):
            if name in names and name not in options:
                self.violations.append(f"{name} is not named in Connection: {request}")


def holding(one):
    """Makes each answer of a backend wait at the gate that is returned."""
    gate = one.gate()

    async def hold(exchange):
        await gate.wait()
        await exchange.answer(200, [], b"finished")
    one.handler = hold
    return gate
