"""What Remora changes in a message, and that it changes nothing else."""
import re

import pytest

from peers.http import Connection, fetch

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")


def received(daemon, headers=(), **more):
    """The fields as the backend saw them."""
    return fetch(daemon.data, headers=headers, **more).json()["headers"]


def values(fields, name):
    return [value for field, value in fields if field.lower() == name.lower()]


def test_the_host_of_the_client_is_kept(remora, backend):
    daemon = remora([backend().url])
    assert values(received(daemon, host="shop.example:8080"), "Host") == ["shop.example:8080"]


def test_host_header_backend_replaces_it(remora, backend):
    one = backend()
    daemon = remora([one.url], pool={"host_header": "backend"})
    fields = received(daemon, host="shop.example")
    assert values(fields, "Host") == [f"127.0.0.1:{one.address[1]}"]
    assert values(fields, "X-Forwarded-Host") == ["shop.example"]


def test_an_http_1_0_request_without_host_gets_one(remora, backend):
    one = backend()
    daemon = remora([one.url])
    fields = received(daemon, host=None, version="HTTP/1.0")
    assert len(values(fields, "Host")) == 1


def test_unknown_fields_pass_in_order_with_their_case_and_repeats(remora, backend):
    daemon = remora([backend().url])
    sent = [("X-b", "1"), ("x-A", "two  words"), ("X-b", "2"), ("Cookie", "a=b; c=d"),
            ("Authorization", "Basic eDp5"), ("X-Empty", ""), ("X-Latin", "caf\xe9"),
            ("under_score", "yes")]
    names = {name.lower() for name, _ in sent}
    fields = [tuple(field) for field in received(daemon, sent) if field[0].lower() in names]
    assert fields == sent


HOP_BY_HOP = [("Connection", "X-Private, keep-alive"), ("Keep-Alive", "timeout=5"),
              ("Proxy-Connection", "keep-alive"), ("X-Private", "secret")]


def test_hop_by_hop_fields_of_a_request_stop_here(remora, backend):
    daemon = remora([backend().url])
    fields = received(daemon, [*HOP_BY_HOP, ("TE", "gzip, deflate"), ("X-Public", "yes")])
    names = {name.lower() for name, _ in fields}
    assert not names & {"connection", "keep-alive", "proxy-connection", "x-private", "te"}
    assert "x-public" in names


def test_hop_by_hop_fields_of_an_answer_stop_here(remora, backend):
    async def answer(exchange):
        await exchange.answer(200, [*HOP_BY_HOP, ("X-Public", "yes")], b"ok")
    daemon = remora([backend(handler=answer).url])
    response = fetch(daemon.data)
    names = {name.lower() for name, _ in response.headers}
    assert not names & {"keep-alive", "proxy-connection", "x-private"}
    assert response.header("X-Public") == "yes"


def test_connection_can_not_take_away_what_frames_or_routes(remora, backend):
    """`Connection: host` or `content-length` must not desynchronise the two sides."""
    one = backend()
    daemon = remora([one.url])
    with Connection(daemon.data) as client:
        answer = client.request("POST", "/", [("Connection", "host, content-length, close-not")],
                                b"hello")
        if answer.status == 200:
            assert answer.json()["body"] == "hello"
        else:
            assert answer.status == 400


def test_forwarded_fields_are_set_and_those_of_the_client_are_not_trusted(remora, backend):
    daemon = remora([backend().url])
    fields = received(daemon, [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https"),
                               ("X-Forwarded-Host", "evil.example")], host="shop.example")
    assert values(fields, "X-Forwarded-For") == ["127.0.0.1"]
    assert values(fields, "X-Forwarded-Proto") == ["http"]
    assert values(fields, "X-Forwarded-Host") == ["shop.example"]


def test_via_is_added_behind_that_of_proxies_before(remora, backend):
    daemon = remora([backend().url])
    [own] = values(received(daemon), "Via")
    assert re.fullmatch(r"1\.1 remora-[0-9a-f]{16}", own)
    behind = values(received(daemon, [("Via", "1.0 front")]), "Via")
    assert ", ".join(behind) == f"1.0 front, {own}"


def test_a_request_that_comes_back_is_refused(remora, backend):
    daemon = remora([backend().url])
    [own] = values(received(daemon), "Via")
    answer = fetch(daemon.data, headers=[("Via", f"1.0 front, {own}, 1.1 behind")])
    assert (answer.status, answer.json()["reason"]) == (508, "loop_detected")


def test_a_request_gets_an_id_of_its_own_that_is_echoed(remora, backend):
    one = backend()
    daemon = remora([one.url])
    seen = set()
    for _ in range(20):
        answer = fetch(daemon.data)
        identifier = answer.header("X-Request-ID")
        assert UUID4.match(identifier)
        assert values(answer.json()["headers"], "X-Request-ID") == [identifier]
        seen.add(identifier)
    assert len(seen) == 20


def test_a_valid_id_of_the_client_is_kept(remora, backend):
    daemon = remora([backend().url])
    answer = fetch(daemon.data, headers=[("X-Request-ID", "order-42_a.b")])
    assert answer.header("X-Request-ID") == "order-42_a.b"
    assert values(answer.json()["headers"], "X-Request-ID") == ["order-42_a.b"]


@pytest.mark.parametrize("bad", ["", "two words", "x" * 129, "a\tb", "<script>", "a,b"])
def test_an_id_of_the_client_that_could_do_harm_is_replaced(remora, backend, bad):
    daemon = remora([backend().url])
    answer = fetch(daemon.data, headers=[("X-Request-ID", bad)])
    assert UUID4.match(answer.header("X-Request-ID"))
    assert values(answer.json()["headers"], "X-Request-ID") == [answer.header("X-Request-ID")]


def test_an_answer_of_the_backend_carries_one_id(remora, backend):
    async def answer(exchange):
        await exchange.answer(200, [("X-Request-ID", "from-the-backend")], b"")
    daemon = remora([backend(handler=answer).url])
    assert fetch(daemon.data, headers=[("X-Request-ID", "mine")]).header("X-Request-ID") == "mine"


def test_a_date_is_added_where_the_backend_sent_none_and_kept_otherwise(remora, backend):
    async def answer(exchange):
        date = [("Date", "Tue, 15 Nov 1994 08:12:31 GMT")]
        await exchange.answer(200, date if "?d" in exchange.request.target else [], b"")
    daemon = remora([backend(handler=answer).url])
    assert re.match(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\Z",
                    fetch(daemon.data).header("Date"))
    assert fetch(daemon.data, target="/?d").header("Date") == "Tue, 15 Nov 1994 08:12:31 GMT"


def test_status_reason_and_fields_of_an_answer_pass(remora, backend):
    async def answer(exchange):
        await exchange.answer(418, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"),
                                    ("WWW-Authenticate", "Basic")], b"short and stout",
                              reason="I'm a teapot")
    daemon = remora([backend(handler=answer).url])
    response = fetch(daemon.data)
    assert (response.status, response.reason) == (418, "I'm a teapot")
    assert response.all("Set-Cookie") == ["a=1", "b=2"]
    assert response.body == b"short and stout"


@pytest.mark.parametrize("prefix,target,expected", [
    ("", "/", "/"),
    ("/", "/a", "/a"),
    ("/api", "/", "/api/"),
    ("/api/", "/", "/api/"),
    ("/api", "/v1/x?y=/z", "/api/v1/x?y=/z"),
    ("/api/", "/v1", "/api/v1"),
    ("/a/b//", "/c", "/a/b/c"),
    ("/api", "//x", "/api//x"),
])
def test_a_prefix_is_joined_with_exactly_one_slash(remora, backend, prefix, target, expected):
    daemon = remora([backend().url + prefix])
    assert fetch(daemon.data, target=target).json()["target"] == expected


def test_the_probe_asks_under_the_prefix(remora, backend):
    one = backend()
    remora([one.url + "/api"])
    assert one.probes >= 1


def test_a_backend_on_a_unix_socket(remora, backend, directory):
    one = backend("u", unix_path=f"{directory}/app.sock")
    daemon = remora([one.url])
    assert fetch(daemon.data, "POST", "/x", body=b"hi").json()["body"] == "hi"
    rewriting = remora([one.url], pool={"host_header": "backend"})
    assert values(received(rewriting), "Host") == ["localhost"]


def test_a_backend_with_a_name(remora, backend):
    one = backend()
    daemon = remora([f"http://localhost:{one.address[1]}"])
    assert fetch(daemon.data).json()["backend"] == "a"
