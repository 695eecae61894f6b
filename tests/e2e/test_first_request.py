"""A request reaches a backend and its answer the client, in every shape that HTTP/1.x has."""
import asyncio
import threading

import pytest
import websockets

from peers.http import Connection, fetch
from peers.wait import eventually


def test_a_server_added_with_remoractl_answers_curl(remora, backend, remoractl, curl):
    daemon = remora()
    one = backend("a")
    before = curl("-o", "/dev/null", "-w", "%{http_code}", daemon.url + "/")
    assert before.stdout == b"503", "there is no server yet"
    added = remoractl(daemon, "servers", "add", one.url, "--wait")
    assert added.returncode == 0, added.stderr
    got = curl(daemon.url + "/hello?x=1")
    assert got.returncode == 0, got.stderr
    assert b'"target": "/hello?x=1"' in got.stdout


def test_flags_alone_make_a_working_proxy(directory, protos, backend):
    from peers.daemon import Daemon
    one, two = backend("a"), backend("b")
    daemon = Daemon(directory, protos, [
        "--listen", "127.0.0.1:0", "--server", f"127.0.0.1:{one.address[1]}", "--server", two.url,
        "--workers", "1", "--control", f"unix:{directory}/c.sock", "--admin", "127.0.0.1:0",
        "--log-format", "json", "--shutdown-delay", "0s"])
    try:
        daemon.start()
        daemon.wait_ready_servers(2)
        seen = {fetch(daemon.data).json()["backend"] for _ in range(4)}
        assert seen == {"a", "b"}
        assert {s.owner for s in daemon.control.list()} == {"config"}
        daemon.stop()
    finally:
        daemon.kill()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND",
                                    "M-SEARCH", "X"])
def test_any_method_passes(remora, backend, method):
    one = backend()
    daemon = remora([one.url])
    body = b"" if method == "GET" else b"some bytes"
    answer = fetch(daemon.data, method, "/a/b%20c?d=e&f", body=body).json()
    assert (answer["method"], answer["target"], answer["body"]) == (
        method, "/a/b%20c?d=e&f", body.decode())


def test_options_asterisk_passes(remora, backend):
    daemon = remora([backend().url])
    assert fetch(daemon.data, "OPTIONS", "*").json()["target"] == "*"


@pytest.mark.parametrize("target", ["/", "/a//b/../c/./d", "/%2e%2e/%2F", "/a;b=c,d'e(f)!$&*+:@~",
                                    "/?", "/?a=b?c/d"])
def test_path_and_query_are_not_altered(remora, backend, target):
    daemon = remora([backend().url])
    assert fetch(daemon.data, "GET", target).json()["target"] == target


def test_an_absolute_target_is_turned_into_a_path(remora, backend):
    daemon = remora([backend().url])
    answer = fetch(daemon.data, "GET", "http://app.example/x?y", host="app.example").json()
    assert answer["target"] == "/x?y"


def test_connections_are_kept_on_both_sides(remora, backend):
    one = backend()
    daemon = remora([one.url])
    with Connection(daemon.data) as client:
        for _ in range(50):
            assert client.get("/").status == 200
    assert len({request.connection for request in one.requests}) == 1


def test_a_client_of_http_1_0_gets_a_close(remora, backend):
    one = backend()
    daemon = remora([one.url])
    with Connection(daemon.data) as client:
        answer = client.request("GET", "/", version="HTTP/1.0", host=None)
        assert answer.status == 200
        assert client.at_end()
    assert one.requests[0].version == "HTTP/1.1"


def test_a_client_of_http_1_0_gets_no_chunks(remora, backend):
    async def chunked(exchange):
        await exchange.read_body()
        await exchange.send_head(200, [("Transfer-Encoding", "chunked")])
        await exchange.send_chunk(b"hello ")
        await exchange.send_chunk(b"world")
        await exchange.send(b"0\r\n\r\n")
    daemon = remora([backend(handler=chunked).url])
    with Connection(daemon.data) as client:
        answer = client.request("GET", "/", version="HTTP/1.0")
        assert answer.header("Transfer-Encoding") is None
        assert answer.body == b"hello world"


def test_connection_close_of_the_client_is_honoured(remora, backend):
    daemon = remora([backend().url])
    with Connection(daemon.data) as client:
        answer = client.get("/", [("Connection", "close")])
        assert answer.header("Connection").lower() == "close"
        assert client.at_end()


def test_head_has_the_length_and_no_body(remora, backend):
    async def answer(exchange):
        await exchange.answer(200, [], b"x" * 1234)
    daemon = remora([backend(handler=answer).url])
    with Connection(daemon.data) as client:
        for _ in range(3):
            response = client.request("HEAD", "/")
            assert (response.status, response.header("Content-Length")) == (200, "1234")
        assert client.get("/").body == b"x" * 1234, "the connection is still in step"


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body_leave_the_connection_in_step(remora, backend, status):
    async def answer(exchange):
        await exchange.answer(status, [("ETag", '"v1"')], reason="R")
    one = backend(handler=answer)
    daemon = remora([one.url])
    with Connection(daemon.data) as client:
        for _ in range(3):
            response = client.get("/")
            assert (response.status, response.header("ETag"), response.body) == (
                status, '"v1"', b"")
            assert response.header("Transfer-Encoding") is None
    assert len(one.requests) == 3


def test_chunks_pass_both_ways_with_trailers_kept_apart(remora, backend):
    async def answer(exchange):
        await exchange.read_body()
        await exchange.send_head(200, [("Transfer-Encoding", "chunked"), ("Trailer", "X-Checksum")])
        await exchange.send_chunk(b"abc")
        await exchange.send_chunk(b"def")
        await exchange.send(b"0\r\nX-Checksum: 42\r\n\r\n")
    one = backend(handler=answer)
    daemon = remora([one.url])
    with Connection(daemon.data) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n"
                    b"Transfer-Encoding: chunked\r\nTrailer: X-Checksum-In\r\n\r\n"
                    b"5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nX-Checksum-In: 7\r\n\r\n")
        response = client.read_response("POST")
    assert response.body == b"abcdef"
    assert response.trailers == [("X-Checksum", "42")]
    assert response.header("X-Checksum") is None
    request = one.requests[0]
    assert request.body == b"hello!"
    assert request.trailers == [("X-Checksum-In", "7")]
    assert request.header("X-Checksum-In") is None


def test_a_trailer_that_frames_or_routes_is_dropped(remora, backend):
    one = backend()
    daemon = remora([one.url])
    with Connection(daemon.data) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"1\r\nx\r\n0\r\nHost: evil\r\nContent-Length: 5\r\nX-Ok: 1\r\n\r\n")
        assert client.read_response("POST").status == 200
        assert client.get("/").status == 200
    names = {name.lower() for name, _ in one.requests[0].trailers}
    assert not names & {"host", "content-length"}


def test_an_answer_that_ends_with_its_connection_is_passed_whole(remora, backend):
    async def until_close(exchange):
        await exchange.send_head(200, [("Connection", "close")])
        await exchange.send(b"x" * 100_000)
        exchange.close()
    daemon = remora([backend(handler=until_close).url])
    with Connection(daemon.data) as client:
        assert len(client.get("/").body) == 100_000


def test_pipelined_requests_are_answered_in_order(remora, backend):
    daemon = remora([backend("a").url, backend("b").url])
    with Connection(daemon.data) as client:
        client.send(b"".join(
            b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n%03d" % (i, i)
            for i in range(100)))
        for i in range(100):
            answer = client.read_response("POST").json()
            assert (answer["target"], answer["body"]) == (f"/{i}", f"{i:03d}")


def test_a_head_that_comes_byte_by_byte_is_understood(remora, backend):
    daemon = remora([backend().url])
    with Connection(daemon.data) as client:
        for byte in b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok":
            client.send(bytes([byte]))
        assert client.read_response("POST").json()["body"] == "ok"


def test_curl_waits_for_100_continue_and_gets_it_from_the_backend(remora, backend, curl, directory):
    continued = threading.Event()

    async def answer(exchange):
        assert exchange.request.header("Expect") == "100-continue"
        continued.set()
        await exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await exchange.read_body()
        await exchange.answer(200, [], b"%d" % len(body))
    daemon = remora([backend(handler=answer).url])
    path = f"{directory}/upload"
    with open(path, "wb") as file:
        file.write(b"x" * 2_000_000)
    # curl would send the body by itself only after that many seconds.
    got = curl("-T", path, "-H", "Expect: 100-continue", "--expect100-timeout", "30",
               daemon.url + "/up", timeout=20)
    assert got.stdout == b"2000000", got.stderr
    assert continued.is_set()


def test_a_final_answer_may_come_instead_of_100(remora, backend):
    async def refuse(exchange):
        await exchange.answer(403, [("Connection", "close")], b"no", reason="Forbidden")
        exchange.close()
    daemon = remora([backend(handler=refuse).url])
    with Connection(daemon.data) as client:
        client.send_request("POST", "/", [("Expect", "100-continue"), ("Content-Length", "1000")])
        answer = client.read_response("POST")
        assert (answer.status, answer.body, answer.interim) == (403, b"no", [])


def test_early_hints_reach_a_client_of_1_1_and_not_one_of_1_0(remora, backend):
    async def hints(exchange):
        await exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
        await exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </b.css>; rel=preload\r\n\r\n")
        await exchange.answer(200, [], b"done")
    daemon = remora([backend(handler=hints).url])
    answer = fetch(daemon.data)
    assert [one.status for one in answer.interim] == [103, 103]
    assert answer.interim[1].header("Link") == "</b.css>; rel=preload"
    assert answer.body == b"done"
    old = fetch(daemon.data, version="HTTP/1.0")
    assert (old.status, old.interim, old.body) == (200, [], b"done")


def test_server_sent_events_arrive_one_by_one(remora, backend):
    one = backend()
    gates = [one.gate() for _ in range(3)]

    async def events(exchange):
        await exchange.send_head(200, [("Content-Type", "text/event-stream"),
                                       ("Transfer-Encoding", "chunked")])
        for number, gate in enumerate(gates):
            await gate.wait()
            await exchange.send_chunk(b"data: %d\n\n" % number)
        await exchange.send(b"0\r\n\r\n")
    one.handler = events
    daemon = remora([one.url])
    with Connection(daemon.data) as client:
        client.send_request("GET", "/events")
        head = client.read_head()
        assert head.header("Content-Type") == "text/event-stream"
        for number, gate in enumerate(gates):
            gate.open()  # the next event is sent only after the one before has been read
            assert client.read_chunk() == b"data: %d\n\n" % number
        assert client.read_chunk() == b""


def test_a_backend_may_answer_while_the_body_still_comes(remora, backend):
    """Both directions at once: each part is echoed before the next one is sent."""
    async def echo_parts(exchange):
        await exchange.send_head(200, [("Transfer-Encoding", "chunked")])
        async for part in exchange.body_parts():
            await exchange.send_chunk(part)
        await exchange.send(b"0\r\n\r\n")
    daemon = remora([backend(handler=echo_parts).url])
    with Connection(daemon.data) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert client.read_head().status == 200
        for i in range(20):
            client.send(b"3\r\n%03d\r\n" % i)
            assert client.read_chunk() == b"%03d" % i
        client.send(b"0\r\n\r\n")
        assert client.read_chunk() == b""


def test_an_early_answer_arrives_though_the_body_is_never_sent_whole(remora, backend):
    async def early(exchange):
        await exchange.answer(413, [("Connection", "close")], b"too much", reason="Too Large")
        exchange.close()
    daemon = remora([backend(handler=early).url])
    with Connection(daemon.data) as client:
        client.send_request("POST", "/", [("Content-Length", "1000000")])
        client.send(b"x" * 1000)
        answer = client.read_response("POST")
        assert (answer.status, answer.body) == (413, b"too much")
        assert answer.header("Connection").lower() == "close", "the rest of the body is unread"


def test_a_connection_ends_only_after_an_answer_that_said_so(remora, backend):
    """Answers race with the end of the body here; stopping what is left of the upload once stopped
    the connection's later requests as well."""
    async def early(exchange):
        await exchange.answer(200, [], b"early")
        await exchange.read_body()
    daemon = remora([backend(handler=early).url])
    client = None
    for number in range(1500):
        client = client or Connection(daemon.data)
        try:
            answer = client.request("POST", "/", body=b"x" * (15_000 + number * 41))
        except (AssertionError, ConnectionError) as error:
            raise AssertionError(f"request {number} on a connection that was to stay") from error
        assert (answer.status, answer.body) == (200, b"early")
        if (answer.header("Connection") or "").lower() == "close":
            client.close()
            client = None


def test_the_date_is_that_of_the_answer_however_long_it_took(remora, backend):
    """Once the text of the date was kept over the wait, while other requests replaced it."""
    one = backend("a")
    gate = one.gate()

    async def hold(exchange):
        if exchange.request.target == "/held":
            await gate.wait()
        await exchange.answer(200, [], b"")
    one.handler = hold
    daemon = remora([one.url])
    with Connection(daemon.data) as held:
        held.send_request("GET", "/held")
        gate.await_arrivals()
        first = fetch(daemon.data).header("Date")
        later = eventually(lambda: (now := fetch(daemon.data).header("Date")) != first and now)
        gate.open()
        answer = held.read_response()
        assert answer.status == 200 and answer.header("Date")[:16] == later[:16]


class WebSocketBackend:
    """Echoes messages; on a loop and thread of its own."""

    def __enter__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

        async def start():
            async def echo(socket):
                async for message in socket:
                    await socket.send(message)
            return await websockets.serve(echo, "127.0.0.1", 0, compression=None)
        self._server = asyncio.run_coroutine_threadsafe(start(), self._loop).result(10)
        port = list(self._server.sockets)[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *_):
        async def stop():
            self._server.close()
            await self._server.wait_closed()
        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


def test_a_websocket_is_one_active_request_until_it_closes(remora):
    with WebSocketBackend() as peer:
        daemon = remora([peer.url], pool={"health_check": {"probe": "none"}})
        host, port = daemon.data

        async def talk():
            async with websockets.connect(f"ws://{host}:{port}/chat") as socket:
                for size in (0, 1, 125, 126, 65535, 65536, 300_000):
                    message = bytes(range(256)) * (size // 256 + 1)
                    await socket.send(message[:size])
                    assert await socket.recv() == message[:size]
                await asyncio.to_thread(
                    eventually, lambda: list(daemon.control.actives().values()) == [1])
            await asyncio.to_thread(
                eventually, lambda: list(daemon.control.actives().values()) == [0])
        asyncio.run(talk())


def test_bytes_behind_a_101_are_tunnelled_both_ways_until_either_end_closes(remora, backend):
    async def tunnel(exchange):
        await exchange.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                            b"Upgrade: websocket\r\n\r\nserver first")
        while data := await exchange.reader.read(1000):
            await exchange.send(data.upper())
        exchange.close()
    daemon = remora([backend(handler=tunnel).url])
    with Connection(daemon.data) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                    b"Upgrade: websocket\r\n\r\n")
        assert client.read_response().status == 101
        assert client.read_exactly(12) == b"server first"
        client.send(b"abc")
        assert client.read_exactly(3) == b"ABC"
    eventually(lambda: daemon.control.active_total() == 0)


def test_an_upgrade_that_is_not_allowed_goes_on_as_a_plain_request(remora, backend):
    one = backend()
    daemon = remora([one.url])
    answer = fetch(daemon.data, headers=[("Connection", "Upgrade, HTTP2-Settings"),
                                         ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")])
    assert answer.status == 200
    names = {name.lower() for name, _ in one.requests[0].headers}
    assert not names & {"upgrade", "http2-settings", "connection"}
