"""The admin port of a real daemon: what it shows, who may change what, live streams."""
import json
import re
import signal
import socket

import pytest

from peers.http import Connection, fetch
from peers.wait import eventually

CHANGES = {"admin": {"allow_mutations": True}}


def host(daemon):
    name, port = daemon.admin
    return f"{name}:{port}"


def ask(daemon, method, target, body=None, headers=()):
    """As a program on this machine would."""
    data = b"" if body is None else json.dumps(body).encode()
    fields = [*headers]
    if data and not any(name.lower() == "content-type" for name, _ in headers):
        fields.append(("Content-Type", "application/json"))
    return fetch(daemon.admin, method, target, fields, data, host=host(daemon))


class Events:
    """A reader of Server-Sent Events."""

    def __init__(self, daemon, target, headers=()):
        self.connection = Connection(daemon.admin)
        self.connection.send_request("GET", target, [("Accept", "text/event-stream"), *headers],
                                     host=host(daemon))
        self.head = self.connection.read_head()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def next(self, kind=None):
        while True:
            message = {}
            while True:
                while b"\n" not in self.connection.buffer:
                    assert self.connection.read_some(), "the stream ended"
                line, self.connection.buffer = self.connection.buffer.split(b"\n", 1)
                if not line:
                    break
                name, _, value = line.decode().partition(": ")
                message[name] = value
            if "data" in message and (kind is None or message.get("event") == kind):
                return message


# ---- what it shows ------------------------------------------------------------------------------


def test_servers_are_what_the_control_api_and_remoractl_say(remora, backend, remoractl):
    daemon = remora([{"url": backend().url, "weight": 2, "labels": {"zone": "a <b>&\"ä\""}}])
    daemon.control.add("127.0.0.1:1", id="refuses", max_active=7)
    eventually(lambda: daemon.control.get("refuses").status.consecutive_probe_failures, what="probe")

    def agree():
        # Probes go on, so the two looks may differ for a moment.
        ours = ask(daemon, "GET", "/servers").json()
        theirs = json.loads(remoractl(daemon, "servers", "list", "-o", "json").stdout)
        assert ours == theirs
        return ours

    body = eventually(agree)
    assert len(body["servers"]) == 2
    assert {s["status"]["state"] for s in body["servers"]} >= {"ACTIVE"}


def test_numbers_come_each_second(remora, backend):
    daemon = remora([backend().url])
    with Events(daemon, "/stats") as stream:
        assert stream.head.header("Content-Type").startswith("text/event-stream")
        looks = [json.loads(stream.next("stats")["data"]) for _ in range(2)]
    assert looks[0]["time"] < looks[1]["time"]
    assert looks[0]["servers"][0]["state"] == "ACTIVE"
    assert looks[0]["servers"][0]["url"].startswith("http://127.0.0.1:")


def test_requests_are_counted_to_the_request(remora, backend):
    daemon = remora([{"url": backend().url, "id": "a"}])
    for _ in range(7):
        assert fetch(daemon.data).status == 200

    def server():
        return ask(daemon, "GET", "/stats").json()["servers"][0]
    eventually(lambda: server()["requests"] == 7, what="7 requests")
    assert server()["failures"] == 0


def test_events_tell_what_happens_and_go_on_where_a_reader_was(remora, backend):
    daemon = remora([{"url": backend().url, "id": "a"}])
    with Events(daemon, "/events") as stream:
        daemon.control.add("127.0.0.1:1", id="refuses")
        while True:
            message = stream.next("event")
            event = json.loads(message["data"])
            if event["server"] == "refuses":
                break
    assert (event["pool"], event["kind"]) == ("default", "server")
    daemon.control.remove("refuses")
    with Events(daemon, "/events", [("Last-Event-ID", message["id"])]) as stream:
        after = json.loads(stream.next("event")["data"])
    assert after["id"] == event["id"] + 1 and after["server"] == "refuses"
    # Another process's ids mean nothing here: everything that is kept comes.
    with Events(daemon, "/events", [("Last-Event-ID", "00000000-5")]) as stream:
        assert json.loads(stream.next("event")["data"])["id"] == 1


def test_a_limit_that_is_hit_is_an_event(remora, backend):
    daemon = remora([backend().url], pool={"limits": {"body_bytes": 10}})
    with Events(daemon, "/events") as stream:
        for _ in range(3):
            assert fetch(daemon.data, "POST", body=b"x" * 11).status == 413
        told = 0
        while told < 3:  # one event for all, or two where a look came between
            event = json.loads(stream.next("event")["data"])
            if event["kind"] == "limit":
                told += int(re.match(r"body_bytes was hit (\d) time", event["cause"]).group(1))
    assert told == 3
    metrics = fetch(daemon.admin, "GET", "/metrics").body.decode()
    assert re.search(r'^remora_limit_hits_total\{limit="body_bytes"\} 3$', metrics, re.M)


def test_a_server_is_drained_and_brought_back(remora, backend):
    daemon = remora([{"url": backend().url, "id": "a"}], top=CHANGES)
    drained = ask(daemon, "POST", "/servers/default/a/drain?drain_timeout=1s")
    assert drained.status == 200 and drained.json()["server"]["status"]["drained"]
    assert fetch(daemon.data).status == 503
    assert ask(daemon, "GET", "/list").json()[0]["Healthy"] is False
    assert ask(daemon, "POST", "/servers/default/a/undrain").status == 200
    assert fetch(daemon.data).status == 200
    assert ask(daemon, "POST", "/servers/default/nobody/drain").status == 404


def test_streams_are_few_and_end_with_the_daemon(remora):
    daemon = remora()
    streams = [Events(daemon, "/stats") for _ in range(16)]
    assert all(stream.head.status == 200 for stream in streams)
    with Events(daemon, "/stats") as one_too_many:
        assert one_too_many.head.status == 503
        assert one_too_many.head.header("Retry-After")
    # Others than streams are still served, and a stream that ends makes room.
    assert ask(daemon, "GET", "/readyz").status == 200
    streams.pop().connection.close()

    def open_again():
        with Events(daemon, "/stats") as stream:
            return stream.head.status == 200
    eventually(open_again)
    daemon.stop()
    for stream in streams:
        while stream.connection.read_some():
            pass


# ---- who may change what ------------------------------------------------------------------------


def test_changes_are_off_unless_they_are_allowed(remora):
    daemon = remora()
    for method, target in (("POST", "/servers"), ("DELETE", "/servers/default/a"),
                           ("POST", "/servers/default/a/drain"), ("PUT", "/log-level"),
                           ("POST", "/addServer"), ("DELETE", "/removeServer")):
        answer = ask(daemon, method, target, {"url": "127.0.0.1:1", "URL": "127.0.0.1:1"})
        assert (answer.status, answer.json()["reason"]) == (403, "mutations_off"), target
        assert "admin.allow_mutations" in answer.json()["error"]
    assert daemon.control.list() == []
    daemon.wait_event("audit", rpc="POST /servers", result="mutations_off")


def test_a_server_is_added_and_removed(remora, backend):
    daemon = remora(top=CHANGES)
    url = backend().url
    answer = ask(daemon, "POST", "/servers", {"url": url, "id": "a", "weight": 3})
    assert answer.status == 201 and answer.json()["server"]["spec"]["weight"] == 3
    daemon.wait_event("audit", rpc="POST /servers", id="a", result="created")
    eventually(lambda: fetch(daemon.data).status == 200)
    answer = ask(daemon, "DELETE", "/servers/default/a?drain_timeout=1s")
    assert answer.status == 200
    assert fetch(daemon.data).status == 503
    assert daemon.control.list() == []


@pytest.mark.parametrize("why, field, value", [
    ("another origin", "Origin", "http://evil.example"),
    ("a sandboxed page", "Origin", "null"),
    ("another port of this machine", "Origin", "http://127.0.0.1:1"),
    ("what the browser says", "Sec-Fetch-Site", "cross-site"),
    ("a form", "Content-Type", "text/plain"),
])
def test_a_page_of_another_site_changes_nothing(remora, why, field, value):
    daemon = remora(top=CHANGES)
    answer = ask(daemon, "POST", "/servers", {"url": "127.0.0.1:1"}, [(field, value)])
    assert answer.status in (403, 415), why
    assert answer.header("Access-Control-Allow-Origin") is None
    # A browser asks first whether it may send JSON; nothing allows it.
    preflight = ask(daemon, "OPTIONS", "/servers", headers=[
        ("Origin", "http://evil.example"), ("Access-Control-Request-Method", "POST")])
    assert preflight.status == 405 and preflight.header("Access-Control-Allow-Origin") is None
    assert daemon.control.list() == []


def test_a_name_that_was_made_to_point_here_sees_and_changes_nothing(remora):
    daemon = remora(top=CHANGES)
    name = f"evil.example:{daemon.admin[1]}"
    for method, target in (("GET", "/"), ("GET", "/servers"), ("GET", "/config"),
                           ("GET", "/events"), ("GET", "/stats"), ("GET", "/list"),
                           ("POST", "/servers"), ("POST", "/addServer")):
        answer = fetch(daemon.admin, method, target, [("Content-Type", "application/json")],
                       b"" if method == "GET" else b'{"url":"h:1","URL":"h:1"}', host=name)
        assert (answer.status, answer.json()["reason"]) == (403, "host_not_allowed"), target
    for target in ("/livez", "/readyz", "/metrics"):
        assert fetch(daemon.admin, target=target, host=name).status == 200
    assert daemon.control.list() == []


def test_large_bodies_are_refused(remora):
    daemon = remora(top=CHANGES)
    with Connection(daemon.admin) as connection:
        connection.send_request("POST", "/servers", [("Content-Length", "65537")],
                                host=host(daemon))
        assert connection.read_response("POST").status == 413


# ---- the routes of the small load balancer ------------------------------------------------------


def test_users_of_the_small_load_balancer_can_switch(remora, backend):
    daemon = remora(top=CHANGES)
    url = backend().url
    assert ask(daemon, "GET", "/health").status == 503
    added = ask(daemon, "POST", "/addServer", {"URL": url, "ActiveConns": 5, "Healthy": True})
    assert (added.status, added.json()) == (200, {"status": "success"})
    eventually(lambda: ask(daemon, "GET", "/list").json()
               == [{"URL": url, "ActiveConns": 0, "Healthy": True}])
    assert (ask(daemon, "GET", "/health").status, ask(daemon, "GET", "/health").body) == (200, b"OK")
    assert fetch(daemon.data).status == 200
    removed = ask(daemon, "DELETE", "/removeServer", {"URL": url})
    assert (removed.status, removed.json()) == (200, {"status": "success"})
    assert ask(daemon, "DELETE", "/removeServer", {"URL": url}).status == 404
    assert ask(daemon, "GET", "/list").json() == []
    assert ask(daemon, "POST", "/addServer", {"URL": "nonsense"}).json() == {"error": "Invalid URL"}
    # On the data port these paths are the backends' own.
    assert fetch(daemon.data, target="/list").status == 503


# ---- the log's level ----------------------------------------------------------------------------


def test_the_log_level_changes_while_it_runs(remora):
    daemon = remora(top=CHANGES)
    assert ask(daemon, "GET", "/log-level").json() == {"level": "info"}
    assert ask(daemon, "PUT", "/log-level", {"level": "debug"}).json() == {"level": "debug"}
    daemon.control.list()
    assert ask(daemon, "PUT", "/log-level", {"level": "loud"}).status == 400
    fetch(daemon.admin, "PUT", "/log-level", body=b"warn", host=host(daemon))
    assert ask(daemon, "GET", "/log-level").json() == {"level": "warn"}
    daemon.wait_event("audit", rpc="PUT /log-level", result="warn")


def test_sigusr1_toggles_debug(remora):
    daemon = remora()
    daemon.signal(signal.SIGUSR1)
    daemon.wait_event("log level", level="debug", by="SIGUSR1")
    assert ask(daemon, "GET", "/log-level").json() == {"level": "debug"}
    daemon.signal(signal.SIGUSR1)
    daemon.wait_event("log level", level="info", by="SIGUSR1")
    assert ask(daemon, "GET", "/log-level").json() == {"level": "info"}


def test_a_reader_that_reads_nothing_holds_nothing_up(remora, backend):
    daemon = remora([backend().url])
    with Events(daemon, "/stats") as deaf:
        deaf.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with Events(daemon, "/stats") as stream:
            for _ in range(3):
                stream.next("stats")
        assert fetch(daemon.data).status == 200
