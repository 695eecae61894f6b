"""The control API by a client made from our proto, remoractl and grpcurl: verbs, errors, paging."""
import contextlib
import json
import os
import socket
import stat
import time

import grpc
import pytest

from peers.backend import echo
from peers.control import Control, ControlError
from peers.daemon import Daemon, binary, is_sanitized
from peers.http import Connection, fetch
from peers.wait import eventually


@pytest.fixture
def daemon(remora):
    return remora(top={"pools": [{"name": "default"}, {"name": "other"}]})


@contextlib.contextmanager
def refused(code, reason, violations=()):
    with pytest.raises(ControlError) as caught:
        yield caught
    error = caught.value
    assert (error.code, error.reason) == (code, reason), error
    assert error.domain == "remora.dev"
    assert set(error.violations) == set(violations), error.violations
    assert error.message and all(error.violations.values())


# ---- the verbs ----------------------------------------------------------------------------------


def test_add_list_get_remove(daemon):
    control = daemon.control
    added = control.add("http://127.0.0.1:9001/api/", weight=3, max_active=7, labels={"zone": "a"})
    assert added.created
    server = added.server
    assert (server.pool, server.owner) == ("default", "api")
    assert server.id.startswith("127-0-0-1-9001-api")
    assert server.spec.url == "http://127.0.0.1:9001/api"
    assert (server.spec.weight, server.spec.max_active) == (3, 7)
    assert dict(server.spec.labels) == {"zone": "a"}
    assert server.uid and server.revision > 0 and server.create_time.seconds > 1_600_000_000
    assert [s.uid for s in control.list()] == [server.uid]
    assert control.get(server.id).uid == server.uid
    removed = control.remove(server.id)
    assert removed.server.uid == server.uid
    assert control.list() == []


def test_add_is_idempotent_by_content(daemon):
    first = daemon.control.add("127.0.0.1:9001", id="a")
    again = daemon.control.add("http://127.0.0.1:9001/", id="a", weight=1)
    assert not again.created
    assert (again.server.uid, again.server.revision) == (first.server.uid, first.server.revision)


def test_a_server_removed_and_added_again_is_another_one(daemon):
    first = daemon.control.add("127.0.0.1:9001", id="a").server
    daemon.control.remove("a")
    again = daemon.control.add("127.0.0.1:9001", id="a")
    assert again.created and again.server.uid != first.uid
    assert again.server.revision > first.revision


def test_pools_are_apart(daemon):
    daemon.control.add("127.0.0.1:9001", id="a")
    daemon.control.add("127.0.0.1:9002", id="a", pool="other")
    assert [s.spec.url for s in daemon.control.list("other")] == ["http://127.0.0.1:9002"]
    assert len(daemon.control.list()) == 2
    daemon.control.remove("a", pool="other")
    assert [s.pool for s in daemon.control.list()] == ["default"]


def test_counters_and_states_can_not_be_sent(daemon):
    """There is no field for them: what a caller sends and what Remora reports are two types."""
    spec = {field.name for field in daemon.control.pb.ServerSpec.DESCRIPTOR.fields}
    assert spec == {"url", "weight", "max_active", "labels"}
    request = {field.name for field in daemon.control.pb.AddServerRequest.DESCRIPTOR.fields}
    assert request == {"pool", "id", "spec"}


def test_health_counts_servers_by_state(remora, backend):
    one = backend()
    daemon = remora([one.url])
    daemon.control.add("127.0.0.1:1", id="refuses")
    health = daemon.control.health()
    assert health.ready and list(health.reasons) == []
    assert health.version and health.uptime.ToMilliseconds() > 0
    pool = health.pools[0]
    assert (pool.pool, pool.total, pool.active, pool.draining) == ("default", 2, 1, 0)
    assert pool.warming + pool.unhealthy == 1
    assert health.revision == daemon.control.list_page().revision


# ---- drain, undrain, update ---------------------------------------------------------------------


def test_a_drained_server_finishes_what_runs_and_gets_nothing_new_until_undrain(remora, backend):
    one, two = backend("a"), backend("b")
    daemon = remora([{"url": one.url, "id": "a"}])
    gate = one.hold()
    control = daemon.control
    with Connection(daemon.data) as client:
        client.send_request("GET", "/")
        gate.await_arrivals()
        control.add(two.url, id="b")
        eventually(lambda: control.state("b") == "ACTIVE")
        drained = control.drain("a", drain_seconds=30)
        assert drained.status.active_requests == 1 and drained.status.drained
        assert drained.status.drain_deadline.seconds > time.time() + 20
        assert control.state("a") == "DRAINING"
        assert {fetch(daemon.data).json()["backend"] for _ in range(10)} == {"b"}
        assert control.health().pools[0].draining == 1
        gate.open()
        assert client.read_response().json()["backend"] == "a", "what ran was finished"
    eventually(lambda: control.get("a").status.active_requests == 0)
    probes = control.get("a").status.last_probe_time.ToNanoseconds()
    eventually(lambda: control.get("a").status.last_probe_time.ToNanoseconds() > probes,
               what="it is probed while it is drained")
    assert control.state("a") == "DRAINING", "listed with nothing left to run"
    opened = control.undrain("a")
    assert control.pb.ServerStatus.State.Name(opened.status.state) == "ACTIVE"
    assert not opened.status.drained and opened.uid == drained.uid
    assert {fetch(daemon.data).json()["backend"] for _ in range(10)} == {"a", "b"}


def test_at_its_deadline_what_runs_is_cut_and_the_server_stays_drained(remora, backend):
    one = backend("a")
    daemon = remora([{"url": one.url, "id": "a"}])
    gate = one.hold()
    with Connection(daemon.data) as client:
        client.send_request("GET", "/")
        gate.await_arrivals()
        daemon.control.drain("a", drain_seconds=0.2)
        answer = client.read_response()
        assert (answer.status, answer.json()["reason"]) == (503, "draining"), answer
    eventually(lambda: daemon.control.get("a").status.active_requests == 0)
    assert daemon.control.state("a") == "DRAINING"
    one.handler = echo
    gate.open()
    daemon.control.undrain("a")
    assert fetch(daemon.data).json()["backend"] == "a"
    daemon.control.drain("a")
    daemon.control.remove("a")
    assert daemon.control.list() == []


def test_undrain_restores_the_state_that_the_server_deserves(remora, backend):
    one = backend("a")
    daemon = remora([{"url": one.url, "id": "a"}])
    daemon.control.drain("a")
    one.stop()
    eventually(lambda: daemon.control.get("a").status.consecutive_probe_failures >= 3)
    assert daemon.control.state("a") == "DRAINING"
    daemon.control.undrain("a")
    assert daemon.control.state("a") == "UNHEALTHY"


def test_update_changes_in_place(remora, backend):
    one = backend("a")
    daemon = remora([{"url": one.url, "id": "a"}])
    control = daemon.control
    before = control.get("a")
    updated = control.update("a", weight=5, max_active=9, labels={"zone": "x"})
    assert updated.changed and updated.server.uid == before.uid
    assert updated.server.status.state == before.status.state
    masked = control.update("a", mask=["weight"], weight=6)
    spec = masked.server.spec
    assert (spec.weight, spec.max_active, dict(spec.labels)) == (6, 9, {"zone": "x"})
    assert not control.update("a", mask=["url", "weight"], weight=6, url=one.url).changed
    with refused("INVALID_ARGUMENT", "INVALID_FIELD", ["spec.url"]) as caught:
        control.update("a", url="127.0.0.1:1")
    assert "remove the server and add it" in caught.value.message
    with refused("INVALID_ARGUMENT", "INVALID_FIELD", ["update_mask"]):
        control.update("a", mask=["owner"])
    with refused("NOT_FOUND", "SERVER_NOT_FOUND"):
        control.update("nobody", weight=2)
    assert control.get("a").spec == spec
    audits = [e["rpc"] + " " + e["result"] for e in daemon.events if e.get("msg") == "audit"]
    assert audits.count("UpdateServer updated") == 2
    assert "UpdateServer SERVER_NOT_FOUND" in audits


def test_what_was_removed_can_not_be_undrained(remora, backend):
    one = backend("a")
    daemon = remora([{"url": one.url, "id": "a"}])
    gate = one.hold()
    with Connection(daemon.data) as client:
        client.send_request("GET", "/")
        gate.await_arrivals()
        daemon.control.remove("a")
        for call in (daemon.control.drain, daemon.control.undrain, daemon.control.update):
            with refused("FAILED_PRECONDITION", "SERVER_REMOVED"):
                call("a")
        gate.open()
        assert client.read_response().status == 200


# ---- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://a:1", "a:0", "a:65536", "http://u@a:1",
                                 "http://a:1/?q", "unix:relative", "http://[::1:80", "a b:1",
                                 "http://a\r\n:80", "http://[abcd]:1"])
def test_a_bad_url_is_named_with_what_is_allowed(daemon, url):
    with refused("INVALID_ARGUMENT", "INVALID_FIELD", ["spec.url"]) as caught:
        daemon.control.add(url)
    assert "http://host:port" in caught.value.violations["spec.url"]
    assert daemon.control.list() == []


def test_https_says_that_it_is_not_built_yet(daemon):
    with refused("INVALID_ARGUMENT", "INVALID_FIELD", ["spec.url"]) as caught:
        daemon.control.add("https://a:443")
    assert "needs TLS, not built yet" in caught.value.message


def test_all_fields_at_fault_are_named_at_once(daemon):
    with refused("INVALID_ARGUMENT", "INVALID_FIELD",
                 ["id", "spec.url", "spec.weight", "spec.max_active"]):
        daemon.control.add("nonsense", id="Not-An-Id", weight=1001, max_active=2_000_000)


def test_another_spec_under_the_same_id_already_exists(daemon):
    daemon.control.add("127.0.0.1:9001", id="a")
    with refused("ALREADY_EXISTS", "SERVER_ALREADY_EXISTS"):
        daemon.control.add("127.0.0.1:9002", id="a")
    with refused("ALREADY_EXISTS", "SERVER_ALREADY_EXISTS"):
        daemon.control.add("127.0.0.1:9001", id="a", weight=2)


def test_what_is_not_there_is_not_found(daemon):
    for call in (daemon.control.get, daemon.control.remove):
        with refused("NOT_FOUND", "SERVER_NOT_FOUND"):
            call("nobody")
    assert not daemon.control.remove("nobody", allow_missing=True).HasField("server")


def test_an_unknown_pool_is_not_found_and_those_there_are_are_named(daemon):
    calls = [lambda: daemon.control.add("a:1", pool="nope"),
             lambda: daemon.control.remove("a", pool="nope"),
             lambda: daemon.control.remove("a", pool="nope", allow_missing=True),
             lambda: daemon.control.get("a", pool="nope"),
             lambda: daemon.control.list("nope")]
    for call in calls:
        with refused("NOT_FOUND", "POOL_NOT_FOUND") as caught:
            call()
        assert "default, other" in caught.value.message


@pytest.mark.parametrize("seconds", [-1, 3601])
def test_a_drain_timeout_out_of_range_removes_nothing(daemon, seconds):
    daemon.control.add("127.0.0.1:9001", id="a")
    with refused("INVALID_ARGUMENT", "INVALID_FIELD", ["drain_timeout"]):
        daemon.control.remove("a", drain_seconds=seconds)
    assert daemon.control.get("a").id == "a"


def test_an_empty_id_is_named(daemon):
    for call in (daemon.control.get, daemon.control.remove):
        with refused("INVALID_ARGUMENT", "INVALID_FIELD", ["id"]):
            call("")


def test_what_can_not_be_an_id_is_named_and_its_length_does_not_matter(daemon):
    for call in (daemon.control.get, daemon.control.remove):
        for bad in ("NO", "a_b", "x" * 64, "x" * 50_000):
            with refused("INVALID_ARGUMENT", "INVALID_FIELD", ["id"]) as caught:
                call(bad)
            assert len(caught.value.message) <= 1024


def test_many_faults_make_an_error_that_arrives(daemon):
    labels = {f"{'k' * 70}{i}": "v" for i in range(60)}
    with refused("INVALID_ARGUMENT", "INVALID_FIELD", ["spec.labels"]) as caught:
        daemon.control.add("127.0.0.1:9001", labels=labels)
    assert len(caught.value.message) <= 1024
    assert "and 50 more" in caught.value.message


# ---- paging -------------------------------------------------------------------------------------


def test_pages_of_any_size_give_every_server_once_in_order(daemon):
    ids = [f"s{i:03d}" for i in range(250)]
    for identifier in reversed(ids):
        daemon.control.add("127.0.0.1:9001", id=identifier)
    for size in (1, 7, 125, 250, 1000):
        seen, token = [], ""
        while True:
            page = daemon.control.list_page(page_size=size, page_token=token)
            assert len(page.servers) <= size
            seen += [server.id for server in page.servers]
            token = page.next_page_token
            if not token:
                break
        assert seen == ids, f"page size {size}"
    assert len(daemon.control.list_page().servers) == 100, "the default"
    assert len(daemon.control.list_page(page_size=5000).servers) == 250, "too much is cut"


def test_a_bad_page_is_refused(daemon):
    for i in range(3):
        daemon.control.add("127.0.0.1:9001", id=f"s{i}")
    with refused("INVALID_ARGUMENT", "INVALID_FIELD", ["page_size"]):
        daemon.control.list_page(page_size=-1)
    token = daemon.control.list_page(page_size=1).next_page_token
    for bad in ("nonsense", token + "x", token[:-2], "\x00"):
        with pytest.raises(ControlError) as caught:
            daemon.control.list_page(page_size=1, page_token=bad)
        assert (caught.value.code, caught.value.reason) == (
            "INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"), bad
    with pytest.raises(ControlError) as caught:
        daemon.control.list_page(pool="other", page_size=1, page_token=token)
    assert caught.value.reason == "PAGE_TOKEN_INVALID", "it belongs to another pool"


# ---- grpc.health.v1 and reflection --------------------------------------------------------------


def health_check(control, service):
    """The status of grpc.health.v1.Health/Check, coded by hand: one string in, one enum out."""
    check = control.channel.unary_unary("/grpc.health.v1.Health/Check")
    name = service.encode()
    answer = check(b"\x0a" + bytes([len(name)]) + name if name else b"", timeout=5)
    return {b"": "UNKNOWN", b"\x08\x01": "SERVING", b"\x08\x02": "NOT_SERVING"}[answer]


def test_the_standard_health_service_answers(daemon):
    assert health_check(daemon.control, "") == "SERVING"
    assert health_check(daemon.control, "remora.v1.Control") == "SERVING"
    with pytest.raises(grpc.RpcError) as caught:
        health_check(daemon.control, "no.such.Service")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_names_the_services(daemon, version):
    method = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    info = daemon.control.channel.stream_stream(method)
    answer = b"".join(info(iter([b"\x3a\x01*"]), timeout=5))
    assert b"remora.v1.Control" in answer
    assert b"grpc.health.v1.Health" in answer


# ---- the sockets --------------------------------------------------------------------------------


def test_the_unix_socket_is_for_its_owner_alone(daemon):
    mode = os.stat(daemon.control_path).st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_the_socket_is_0600_whatever_the_umask(remora):
    old = os.umask(0)
    try:
        daemon = remora()
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(daemon.control_path).st_mode) == 0o600


def test_tcp_needs_a_loopback_address_and_insecure(protos, directory):
    for flags in (["--control", "127.0.0.1:0"],
                  ["--control", "0.0.0.0:0", "--control-insecure"]):
        one = Daemon(directory, protos, ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
                                         *flags])
        one.start(wait_ready=False)
        assert one.wait_exit() == 78, one.log_text()
    one = Daemon(directory, protos, ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
                                     "--control", "127.0.0.1:0", "--control-insecure",
                                     "--log-format", "json", "--shutdown-delay", "0s"])
    try:
        one.start()
        control = Control(one.wait_event("listening", socket="control")["address"], protos)
        assert control.health().ready
        control.close()
        one.stop()
    finally:
        one.kill()


def flood(address, count):
    """As many of `count` connections as can be had."""
    held = []
    for _ in range(count):
        one = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        one.settimeout(0.2)
        try:
            one.connect(address)
            held.append(one)
        except OSError:
            one.close()
    return held


def fresh_health(daemon, timeout):
    """Health over a connection of its own."""
    control = Control(daemon.control_target, daemon.protos)
    try:
        return control.health(timeout)
    finally:
        control.close()


LIMITED = ["bash", "-c", 'ulimit -n 96; exec "$@"', "--"]


def test_health_answers_while_the_data_port_is_flooded_and_after(remora, backend):
    one = backend()
    daemon = remora([one.url], prefix=LIMITED)
    held = flood(daemon.data, 300)
    start = time.monotonic()
    assert fresh_health(daemon, timeout=1).version
    assert time.monotonic() - start < 1
    for connection in held:
        connection.close()
    eventually(lambda: fetch(daemon.data).status == 200, timeout=5)


def health_within(daemon, limit):
    """An answer within `limit` seconds, from whichever attempt: while the closed connections are
    still being noticed a new one may be refused."""
    deadline = time.monotonic() + limit
    while True:
        try:
            return fresh_health(daemon, timeout=max(0.05, deadline - time.monotonic()))
        except ControlError as error:
            if error.code != "UNAVAILABLE" or time.monotonic() > deadline:
                raise


def test_health_answers_within_a_second_after_the_control_port_was_flooded(remora):
    daemon = remora(prefix=LIMITED)
    limit = 5 if is_sanitized(binary("REMORAD", "remorad")) else 1
    for _ in range(3):
        held = flood(daemon.control_path, 300)
        assert len(held) > 20
        for connection in held:
            connection.close()
        assert health_within(daemon, limit).version


# ---- remoractl ----------------------------------------------------------------------------------


def test_remoractl_does_the_verbs(remora, backend, remoractl):
    daemon, one = remora(), backend()
    assert remoractl(daemon, "servers", "list").returncode == 0
    added = remoractl(daemon, "servers", "add", one.url, "--id", "a", "--weight", "2",
                      "--max-active", "9", "--label", "zone=x", "--wait")
    assert added.returncode == 0, added.stderr
    again = remoractl(daemon, "servers", "add", one.url, "--id", "a", "--weight", "2",
                      "--max-active", "9", "--label", "zone=x")
    assert again.returncode == 0 and "already" in again.stderr
    table = remoractl(daemon, "servers", "list").stdout.splitlines()
    assert table[0].split()[:7] == ["NAME", "URL", "POOL", "STATE", "WEIGHT", "ACTIVE", "MAX"]
    assert table[1].split()[:7] == ["a", one.url, "default", "ACTIVE", "2", "0", "9"]
    listed = json.loads(remoractl(daemon, "servers", "list", "-o", "json").stdout)
    assert listed["servers"][0]["spec"]["labels"] == {"zone": "x"}
    got = json.loads(remoractl(daemon, "servers", "get", "a", "-o", "json").stdout)
    assert got["spec"]["url"] == one.url
    assert remoractl(daemon, "health").returncode == 0
    version = remoractl(daemon, "version")
    assert version.returncode == 0 and version.stdout.strip()
    removed = remoractl(daemon, "servers", "remove", "a", "--wait")
    assert removed.returncode == 0, removed.stderr
    assert removed.stdout == "", "the server is gone"
    assert remoractl(daemon, "servers", "list", "--no-headers").stdout == ""


def test_remoractl_finds_the_server_through_the_environment(remora, remoractl):
    daemon = remora()
    found = remoractl(None, "health", env={"REMORA_SERVER": daemon.control_target})
    assert found.returncode == 0, found.stderr


def test_each_failure_of_remoractl_has_its_code_and_says_what_to_do(remora, remoractl, directory):
    daemon = remora()
    remoractl(daemon, "servers", "add", "127.0.0.1:9001", "--id", "a")
    cases = [
        (["servers", "add", "127.0.0.1:9002", "--id", "a"], 4, "SERVER_ALREADY_EXISTS"),
        (["servers", "add", "nonsense"], 2, "spec.url"),
        (["servers", "add", "a:1", "--weight", "1001"], 2, "spec.weight"),
        (["servers", "get", "nobody"], 3, "SERVER_NOT_FOUND"),
        (["servers", "remove", "nobody"], 3, "SERVER_NOT_FOUND"),
        (["servers", "list", "--pool", "nope"], 3, "POOL_NOT_FOUND"),
        (["servers", "add"], 2, "remoractl --help"),
        (["serverz"], 2, "remoractl --help"),
        (["servers", "list", "-o", "xml"], 2, "name and jsonl"),
    ]
    for arguments, code, text in cases:
        run = remoractl(daemon, *arguments)
        assert run.returncode == code, (arguments, run)
        assert text in run.stderr, (arguments, run.stderr)
        assert "hint: " in run.stderr, (arguments, run.stderr)
        assert run.stdout == "", "data goes to stdout, talk to stderr"
    missing = remoractl(daemon, "servers", "remove", "nobody", "--allow-missing", "-o", "json")
    assert (missing.returncode, missing.stdout) == (0, "{}\n"), missing
    gone = remoractl(None, "--server", f"unix:{directory}/nobody.sock", "health")
    assert gone.returncode == 69 and "hint: " in gone.stderr, gone


def test_remoractl_gives_up_at_its_timeout(remoractl, directory):
    path = f"{directory}/silent.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(path)
        silent.listen()
        start = time.monotonic()
        run = remoractl(None, "--server", f"unix:{path}", "--timeout", "300ms", "health")
        assert time.monotonic() - start < 5
    assert run.returncode in (69, 124), run


# ---- grpcurl ------------------------------------------------------------------------------------


def test_grpcurl_does_the_verbs_by_reflection_alone(daemon, grpcurl):
    assert "remora.v1.Control" in grpcurl(daemon, "list").stdout
    described = grpcurl(daemon, "describe", "remora.v1.Control").stdout
    for verb in ("AddServer", "RemoveServer", "ListServers", "GetServer", "Health"):
        assert f"rpc {verb} " in described
    added = grpcurl(daemon, "remora.v1.Control/AddServer", id="a", spec={"url": "127.0.0.1:9001"})
    assert json.loads(added.stdout)["created"] is True
    listed = json.loads(grpcurl(daemon, "remora.v1.Control/ListServers").stdout)
    assert [server["id"] for server in listed["servers"]] == ["a"]
    health = json.loads(grpcurl(daemon, "remora.v1.Control/Health").stdout)
    assert health["ready"] is True
    assert grpcurl(daemon, "remora.v1.Control/RemoveServer", id="a").returncode == 0


def test_grpcurl_asks_the_standard_health_service(daemon, grpcurl):
    """Reflection must describe each service that it names."""
    run = grpcurl(daemon, "grpc.health.v1.Health/Check")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["status"] == "SERVING"


def test_grpcurl_shows_code_and_details_of_each_error(daemon, grpcurl):
    grpcurl(daemon, "remora.v1.Control/AddServer", id="a", spec={"url": "127.0.0.1:9001"})
    cases = [
        ("AddServer", {"id": "a", "spec": {"url": "127.0.0.1:9002"}}, "AlreadyExists",
         "SERVER_ALREADY_EXISTS"),
        ("AddServer", {"spec": {"url": "nonsense"}}, "InvalidArgument", "spec.url"),
        ("GetServer", {"id": "nobody"}, "NotFound", "SERVER_NOT_FOUND"),
        ("RemoveServer", {"id": "nobody"}, "NotFound", "SERVER_NOT_FOUND"),
        ("ListServers", {"pool": "nope"}, "NotFound", "POOL_NOT_FOUND"),
        ("ListServers", {"page_token": "x"}, "InvalidArgument", "PAGE_TOKEN_INVALID"),
    ]
    for verb, request, code, detail in cases:
        run = grpcurl(daemon, f"remora.v1.Control/{verb}", **request)
        assert run.returncode != 0, (verb, run)
        assert f"Code: {code}" in run.stderr and detail in run.stderr, (verb, run.stderr)
    counters = grpcurl(daemon, "remora.v1.Control/AddServer",
                       spec={"url": "127.0.0.1:9003", "active_requests": 5})
    assert counters.returncode != 0, "a counter can't even be written down"


def test_a_request_and_a_change_at_once_leave_the_connection_alone(remora, backend):
    """A client's keep-alive connection outlives any change of the servers behind it."""
    one, two = backend("a"), backend("b")
    daemon = remora([one.url])
    with Connection(daemon.data) as client:
        assert client.get("/").json()["backend"] == "a"
        daemon.control.add(two.url)
        eventually(lambda: daemon.control.state(two.id) == "ACTIVE")
        daemon.control.remove(one.id)
        assert client.get("/").json()["backend"] == "b"
