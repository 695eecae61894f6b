"""A request that no backend can have seen moves on; a connection that went stale costs nobody an
answer."""
import pytest

from peers.http import Connection, fetch
from peers.wait import eventually

NO_PROBE = {"health_check": {"probe": "none"}}


def test_a_refused_connection_moves_to_another_backend(remora, backend, refusing_port):
    one = backend("a")
    daemon = remora([f"http://127.0.0.1:{refusing_port()}", one.url], pool=NO_PROBE)
    for method in ("GET", "POST"):
        for _ in range(10):
            answer = fetch(daemon.data, method, body=b"payload" if method == "POST" else b"")
            assert answer.status == 200, answer
            assert answer.json()["backend"] == "a"
    assert len(one.requests) == 20, "and each one arrives once"
    assert {r.body for r in one.requests if r.method == "POST"} == {b"payload"}


def test_two_refusals_are_survived_and_the_third_is_told(remora, backend, refusing_port):
    one = backend("a")
    dead = [f"http://127.0.0.1:{refusing_port()}" for _ in range(2)]
    daemon = remora([*dead, one.url], pool=NO_PROBE)
    for _ in range(12):
        assert fetch(daemon.data).status == 200
    dead = [f"http://127.0.0.1:{refusing_port()}" for _ in range(5)]
    hopeless = remora(dead, pool=NO_PROBE)
    answer = fetch(hopeless.data)
    assert (answer.status, answer.json()["reason"]) == (502, "connect_failed")


def test_a_large_body_survives_a_refused_connection(remora, backend, refusing_port):
    """Nothing of it has been taken from the client before there is a connection."""
    one = backend("a")
    daemon = remora([f"http://127.0.0.1:{refusing_port()}", one.url], pool=NO_PROBE)
    body = bytes(range(256)) * 8000
    for _ in range(4):
        assert fetch(daemon.data, "PUT", body=body).status == 200
    assert [r.body for r in one.requests] == [body] * 4


def closing(announce):
    async def answer(exchange):
        await exchange.read_body()
        await exchange.answer(200, [("Connection", "close")] if announce else [], b"ok")
        exchange.close()
    return answer


@pytest.mark.parametrize("announce", [True, False])
def test_a_backend_that_closes_after_each_answer_never_costs_a_get(remora, backend, announce):
    """Not announced: each reuse races with the close, which HTTP/1 can't avoid."""
    one = backend("a", handler=closing(announce))
    daemon = remora([one.url])
    with Connection(daemon.data) as client:
        for number in range(3000):
            answer = client.get("/")
            assert answer.status == 200, f"request {number}: {answer}"
    assert len(one.requests) == 3000


def test_connections_that_a_backend_closed_while_idle_are_not_used(remora, backend):
    one = backend("a")
    daemon = remora([one.url])
    with Connection(daemon.data) as client:
        for _ in range(100):
            assert client.request("POST", "/", body=b"x").status == 200
            one.close_idle()
            # A POST must not be sent twice; one on a closed connection was not sent at all.
    assert len(one.requests) == 100


def test_a_request_that_a_backend_may_have_seen_is_not_sent_twice(remora, backend):
    async def swallow(exchange):
        await exchange.read_body()
        exchange.close()
    a, b = backend("a", handler=swallow), backend("b", handler=swallow)
    daemon = remora([a.url, b.url])
    answer = fetch(daemon.data, "POST", body=b"order one coffee")
    assert answer.status == 502
    assert len(a.requests) + len(b.requests) == 1


def test_a_backend_that_comes_back_is_used_again(remora, backend):
    one, two = backend("a"), backend("b")
    daemon = remora([one.url, two.url], pool=NO_PROBE)
    one.stop()
    for _ in range(10):
        assert fetch(daemon.data).json()["backend"] == "b"
    one.start()
    # It was passed over for a second after its last refusal.
    eventually(lambda: fetch(daemon.data).json()["backend"] == "a", timeout=5)
