"""The answers that Remora makes up itself: status, body, and what never reaches a backend."""
import pytest

from peers.http import Connection, fetch
from peers.wait import eventually


def expect_error(answer, status, reason, close=None):
    """One error has one shape."""
    assert answer.status == status, answer
    assert answer.header("Content-Type") == "application/json"
    body = answer.json()
    assert set(body) == {"reason", "detail", "request_id"}
    assert body["reason"] == reason, body
    assert body["request_id"] == answer.header("X-Request-ID") != ""
    if status == 503:
        assert int(answer.header("Retry-After")) >= 1
    if close is not None:
        assert ((answer.header("Connection") or "").lower() == "close") == close
    return body


# What is refused, as sent; a request is complete where its error does not come before its end.
BAD_REQUESTS = {
    "both lengths": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "bad_request"),
    "two different lengths": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                              b"Content-Length: 4\r\n\r\nabcd", 400, "bad_request"),
    "length with sign": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
                         400, "bad_request"),
    "length in hex": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc",
                      400, "bad_request"),
    "length too large": (b"POST / HTTP/1.1\r\nHost: a\r\n"
                         b"Content-Length: 99999999999999999999\r\n\r\n", 400, "bad_request"),
    "empty length": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400, "bad_request"),
    "unknown coding": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
                       400, "bad_request"),
    "unknown coding before chunked": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        501, "unknown_transfer_coding"),
    "coding in HTTP/1.0": (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                           b"0\r\n\r\n", 400, "bad_request"),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "bad_request"),
    "empty host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, "bad_request"),
    "host with a path": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "bad_request"),
    "host with a user": (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, "bad_request"),
    "host with a blank": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "bad_request"),
    "host list": (b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400, "bad_request"),
    "absolute target against host": (b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
                                     400, "bad_request"),
    "bare LF in the request line": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400, "bad_request"),
    "bare LF in a field": (b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400, "bad_request"),
    "bare LF at the end": (b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400, "bad_request"),
    "bare CR in a value": (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n", 400, "bad_request"),
    "NUL in a value": (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n", 400, "bad_request"),
    "CTL in a value": (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\x01z\r\n\r\n", 400, "bad_request"),
    "DEL in a value": (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\x7fz\r\n\r\n", 400, "bad_request"),
    "CTL in the target": (b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"),
    "fragment in the target": (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"),
    "relative target": (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"),
    "obs-fold": (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", 400, "bad_request"),
    "blank before the first field": (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "bad_request"),
    "blank before the colon": (b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400, "bad_request"),
    "empty field name": (b"GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n", 400, "bad_request"),
    "no colon": (b"GET / HTTP/1.1\r\nHost: a\r\nXy\r\n\r\n", 400, "bad_request"),
    "two blanks in the request line": (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"),
    "lower-case version": (b"GET / http/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400, "bad_request"),
    "HTTP/2 in the request line": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
                                   505, "version_not_supported"),
    "bad method": (b"GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad_request"),
    "TRACE": (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method_not_allowed"),
    "CONNECT": (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405, "method_not_allowed"),
    "unknown expectation": (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n",
                            417, "expectation_failed"),
    "a field too large": (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
                          431, "headers_too_large"),
    "too many fields": (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 101 + b"\r\n",
                        431, "headers_too_large"),
    "a target too long": (b"GET /" + b"y" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
                          414, "uri_too_long"),
}


@pytest.fixture
def proxied(remora, backend):
    """A proxy before a backend that must stay untouched."""
    one = backend()
    return remora([one.url]), one


def test_each_bad_request_is_answered_closed_and_forwarded_to_nobody(proxied):
    daemon, one = proxied
    failures = []
    for name, (data, status, reason) in BAD_REQUESTS.items():
        try:
            with Connection(daemon.data) as client:
                client.send(data)
                answer = client.read_response("GET")
                expect_error(answer, status, reason, close=True)
                assert client.at_end(), "the connection stays open"
        except (AssertionError, OSError) as error:
            failures.append(f"{name}: {error}")
    assert not failures, "\n".join(failures)
    assert one.requests == []


def test_a_bad_request_behind_a_good_one_ends_the_connection_after_the_good_answer(proxied):
    daemon, one = proxied
    with Connection(daemon.data) as client:
        client.send(b"GET /good HTTP/1.1\r\nHost: a\r\n\r\nGET /bad HTTP/1.1\r\n\r\n"
                    b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_response().status == 200
        expect_error(client.read_response(), 400, "bad_request", close=True)
        assert client.at_end()
    assert [request.target for request in one.requests] == ["/good"]


@pytest.mark.parametrize("body", [b"x\r\n", b"3\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n",
                                  b"-1\r\n", b"fffffffffffffffff\r\n", b" 3\r\nabc\r\n0\r\n\r\n",
                                  b"0x3\r\nabc\r\n0\r\n\r\n"])
def test_broken_chunks_never_become_a_complete_request(remora, backend, body):
    finished = []

    async def record(exchange):
        await exchange.read_body()
        finished.append(exchange.request)
        await exchange.answer(200, [], b"")
    one = backend(handler=record)
    daemon = remora([one.url])
    with Connection(daemon.data) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        answer = client.read_response("POST")
        expect_error(answer, 400, "bad_request", close=True)
        assert client.at_end()
    assert finished == []
    one.violations.clear()  # the backend saw a request end early, which is what must happen


def test_a_body_over_the_limit_is_413(remora, backend):
    one = backend()
    daemon = remora([one.url], pool={"limits": {"body_bytes": 1000}})
    assert fetch(daemon.data, "POST", body=b"x" * 1000).status == 200
    expect_error(fetch(daemon.data, "POST", body=b"x" * 1001), 413, "request_too_large", close=True)
    with Connection(daemon.data) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n")
        expect_error(client.read_response("POST"), 413, "request_too_large", close=True)
    one.violations.clear()


def test_head_limits_can_be_set(remora, backend):
    daemon = remora([backend().url], pool={"limits": {"head_fields": 10, "head_bytes": "2KiB"}})
    many = [(f"X-{i}", "y") for i in range(11)]
    expect_error(fetch(daemon.data, headers=many), 431, "headers_too_large")
    expect_error(fetch(daemon.data, headers=[("X", "y" * 3000)]), 431, "headers_too_large")
    assert fetch(daemon.data, headers=many[:5]).status == 200


def test_a_head_that_does_not_end_is_408(remora, backend):
    daemon = remora([backend().url], top={"listeners": [
        {"address": "127.0.0.1:0", "timeouts": {"request_head": "300ms"}}]})
    with Connection(daemon.data) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        expect_error(client.read_response(), 408, "request_timeout", close=True)
        assert client.at_end()


def test_a_body_that_stalls_is_408(remora, backend):
    one = backend()
    daemon = remora([one.url], pool={"timeouts": {"idle": "300ms"}})
    with Connection(daemon.data) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        expect_error(client.read_response("POST"), 408, "request_timeout", close=True)


def test_head_gets_an_error_without_a_body(remora):
    daemon = remora()
    with Connection(daemon.data) as client:
        answer = client.request("HEAD", "/")
        assert answer.status == 503
        assert int(answer.header("Content-Length")) > 0
        assert client.get("/").status == 503, "the connection is still in step"


def test_a_pool_without_servers_is_503(remora):
    daemon = remora()
    expect_error(fetch(daemon.data), 503, "no_servers", close=False)


def test_a_pool_without_a_healthy_server_is_503(remora, refusing_port):
    daemon = remora([f"http://127.0.0.1:{refusing_port()}"], wait_active=False)
    expect_error(fetch(daemon.data), 503, "no_healthy_server", close=False)


def test_a_pool_whose_servers_are_full_is_503(remora, backend):
    one = backend()
    gate = one.gate()

    async def hold(exchange):
        await gate.wait()
        await exchange.answer(200, [], b"")
    one.handler = hold
    daemon = remora([{"url": one.url, "max_active": 1}])
    with Connection(daemon.data) as first:
        first.send_request("GET", "/")
        gate.await_arrivals()
        expect_error(fetch(daemon.data), 503, "queue_full", close=False)
        gate.open()
        assert first.read_response().status == 200
    assert fetch(daemon.data).status == 200


def test_a_backend_that_refuses_is_502(remora, refusing_port):
    daemon = remora([f"http://127.0.0.1:{refusing_port()}"],
                    pool={"health_check": {"probe": "none"}})
    with Connection(daemon.data) as client:
        expect_error(client.get("/"), 502, "connect_failed", close=False)
        expect_error(client.get("/"), 502, "connect_failed", close=False)


def test_a_name_that_does_not_exist_makes_its_server_unhealthy_and_says_why(remora):
    daemon = remora([{"url": "http://no-such-host.invalid:80", "id": "a"}], wait_active=False)
    eventually(lambda: "look-up" in daemon.control.get("a").status.reason)
    expect_error(fetch(daemon.data), 503, "no_healthy_server", close=False)


BAD_ANSWERS = {
    "not HTTP": b"SSH-2.0-x\r\n\r\n",
    "HTTP/2 in the status line": b"HTTP/2.0 200 OK\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "both lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"0\r\n\r\n",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "obs-fold": b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 0\r\n\r\n",
    "CTL": b"HTTP/1.1 200 OK\r\nX: \x01\r\nContent-Length: 0\r\n\r\n",
    "a 101 nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                              b"Upgrade: websocket\r\n\r\n",
    "a head too large": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
}


def test_each_bad_answer_becomes_502_and_none_of_it_is_passed_on(remora, backend):
    current = {}

    async def answer(exchange):
        await exchange.read_body()
        await exchange.send(current["answer"])
        exchange.close()
    one = backend(handler=answer)
    daemon = remora([one.url])
    failures = []
    for name, current["answer"] in BAD_ANSWERS.items():
        try:
            expect_error(fetch(daemon.data, "POST", body=b"x"), 502, "upstream_bad_response")
        except (AssertionError, OSError) as error:
            failures.append(f"{name}: {error}")
    assert not failures, "\n".join(failures)


def test_a_backend_that_closes_without_an_answer_is_502(remora, backend):
    async def close(exchange):
        exchange.close()
    daemon = remora([backend(handler=close).url])
    expect_error(fetch(daemon.data, "POST", body=b"x"), 502, "upstream_closed_early", close=False)


def test_a_backend_that_resets_is_502(remora, backend):
    async def reset(exchange):
        await exchange.read_body()
        exchange.abort()
    daemon = remora([backend(handler=reset).url])
    answer = fetch(daemon.data, "POST", body=b"x")
    assert answer.json()["reason"] in ("upstream_reset", "upstream_closed_early")
    assert answer.status == 502


def test_a_backend_that_does_not_answer_is_504(remora, backend):
    one = backend()
    gate = one.gate()

    async def hold(exchange):
        await gate.wait()
        await exchange.answer(200, [], b"late")
    one.handler = hold
    daemon = remora([one.url], pool={"timeouts": {"response_head": "300ms"}})
    expect_error(fetch(daemon.data), 504, "upstream_timeout", close=False)
    gate.open()


@pytest.mark.parametrize("framing", ["length", "chunked", "reset"])
def test_an_answer_cut_in_the_middle_is_never_taken_for_whole(remora, backend, framing):
    async def cut(exchange):
        if framing == "chunked":
            await exchange.send_head(200, [("Transfer-Encoding", "chunked")])
            await exchange.send_chunk(b"half")
        else:
            await exchange.send_head(200, [("Content-Length", "8")])
            await exchange.send(b"half")
        if framing == "reset":
            exchange.abort()
        exchange.close()
    daemon = remora([backend(handler=cut).url])
    with Connection(daemon.data) as client:
        client.send_request("GET", "/")
        try:
            response = client.read_response()
        except (AssertionError, ConnectionError):
            return
        assert response.status == 502, f"half an answer was passed off as whole: {response}"


def test_a_client_that_leaves_frees_its_backend(remora, backend):
    one = backend()
    gate = one.gate()

    async def hold(exchange):
        await gate.wait()
        await exchange.answer(200, [], b"")
    one.handler = hold
    daemon = remora([one.url])
    client = Connection(daemon.data)
    client.send_request("GET", "/")
    gate.await_arrivals()
    assert daemon.control.active_total() == 1
    client.close()
    gate.open()
    eventually(lambda: daemon.control.active_total() == 0)
