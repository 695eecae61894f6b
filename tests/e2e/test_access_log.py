"""The access log: real lines against the schema, and what becomes of the file."""
import json
import os
import signal

import jsonschema

from peers.http import Connection, fetch
from peers.wait import eventually

SCHEMA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "compat",
                      "access_log.schema.json")
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def logging_to(path, **access):
    return {"log": {"access": {"path": path, **access}}}


def lines(path, count):
    """Waits for `count` lines; each has passed the schema."""
    with open(SCHEMA, encoding="utf-8") as file:
        validator = jsonschema.Draft202012Validator(json.load(file))

    def read():
        with open(path, encoding="ascii") as file:
            found = [json.loads(line) for line in file]
        return found if len(found) >= count else None

    found = eventually(read)
    assert len(found) == count, found
    for line in found:
        validator.validate(line)
    return found


def test_every_kind_of_request_has_a_line_of_the_schema(remora, backend, directory):
    path = os.path.join(directory, "access.log")
    one = backend()
    daemon = remora([one.url], top=logging_to(path))
    sent = [("traceparent", f"00-{TRACE_ID}-00f067aa0ba902b7-01"), ("X-Request-ID", "my-id")]
    answer = fetch(daemon.data, "POST", "/cart?secret=1", sent, b"12345", host="shop.example")
    assert answer.status == 200
    assert fetch(daemon.data, "TRACE").status == 405
    with Connection(daemon.data) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: \xff\"\r\n\r\n")
        assert connection.read_response("GET").status == 400
    one.stop()
    eventually(lambda: fetch(daemon.data).status in (502, 503))

    good, method, malformed = lines(path, 4)[:3]
    assert good["request_id"] == "my-id" and good["trace_id"] == TRACE_ID
    assert (good["method"], good["authority"], good["path"]) == ("POST", "shop.example", "/cart")
    assert (good["bytes_in"], good["bytes_out"]) == (5, len(answer.body))
    assert (good["server"], good["attempts"], good["active_at_pick"]) == (one.id, 1, 1)
    assert good["t_total_ms"] >= good["t_connect_ms"] + good["t_first_byte_ms"]
    assert (good["level"], good["reason"]) == ("info", "")
    assert (method["status"], method["reason"], method["server"]) == (405, "method_not_allowed", "")
    assert (malformed["status"], malformed["reason"]) == (400, "bad_request")
    failed = lines(path, 4)[3]
    assert failed["level"] == "error" and failed["reason"] in ("connect_failed",
                                                              "no_healthy_server")


def test_a_client_that_leaves_has_a_line_without_status(remora, backend, directory):
    path = os.path.join(directory, "access.log")
    daemon = remora([backend().url], top=logging_to(path))
    with Connection(daemon.data) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHo")
    line = lines(path, 1)[0]
    assert (line["status"], line["reason"], line["level"]) == (0, "client_closed", "error")


def test_samples_leave_out_good_requests_only(remora, backend, directory):
    path = os.path.join(directory, "access.log")
    daemon = remora([backend().url], top=logging_to(path, sample=0))
    for _ in range(5):
        assert fetch(daemon.data).status == 200
    assert fetch(daemon.data, "TRACE").status == 405
    assert lines(path, 1)[0]["status"] == 405


def test_sighup_opens_the_file_anew(remora, backend, directory):
    path = os.path.join(directory, "access.log")
    daemon = remora([backend().url], top=logging_to(path))
    fetch(daemon.data)
    lines(path, 1)
    os.rename(path, path + ".1")
    daemon.signal(signal.SIGHUP)
    eventually(lambda: os.path.exists(path))
    fetch(daemon.data)
    lines(path, 1)
    lines(path + ".1", 1)

