"""`remoractl discover` against a live sidecar: files, DNS, the guard, its ends and its admin port."""
import datetime
import os
import re

import pytest

from peers.daemon import Daemon
from peers.discover import File, expect_urls, kill, names, owners, urls
from peers.dns import AAAA, NXDOMAIN, SERVFAIL, DnsServer
from peers.http import fetch
from peers.wait import eventually


@pytest.fixture
def dns():
    one = DnsServer()
    yield one
    one.shut()


def seconds_between(first, second):
    when = [datetime.datetime.fromisoformat(event["ts"].replace("Z", "+00:00"))
            for event in (first, second)]
    return (when[1] - when[0]).total_seconds()


# ---- a file -------------------------------------------------------------------------------------


def test_a_file_is_followed(sidecar, discover, directory):
    file = File(directory, ["127.1.0.1:80", {"url": "127.1.0.2:80", "id": "b", "weight": 2}])
    discover(sidecar, *file.arguments, "--name", "f")
    expect_urls(sidecar, "127.1.0.1:80", "127.1.0.2:80")
    assert owners(sidecar) == {"127-1-0-1-80": "discovery:f", "b": "discovery:f"}
    uid = sidecar.control.get("b").uid
    file.write([{"url": "127.1.0.2:80", "id": "b", "weight": 5}, "127.1.0.3:80"])
    expect_urls(sidecar, "127.1.0.2:80", "127.1.0.3:80")
    server = sidecar.control.get("b")
    assert (server.uid, server.spec.weight) == (uid, 5), "changed in place"


def test_a_file_that_is_wrong_or_gone_changes_nothing(sidecar, discover, directory):
    file = File(directory, names(2))
    one = discover(sidecar, *file.arguments)
    file.write_text("servers: [{url: a, wieght: 2}]")
    assert "unknown key 'wieght'" in one.wait_event("source away")["cause"]
    os.unlink(file.path)
    eventually(lambda: any("can't read" in event.get("cause", "") for event in list(one.events)))
    assert urls(sidecar) == names(2)
    file.write(names(3))
    expect_urls(sidecar, *names(3))


def test_servers_of_others_are_not_touched_and_a_conflict_is_told(sidecar, discover, directory):
    sidecar.control.add("127.9.0.1:80", id="by-hand")
    sidecar.control.add("127.9.0.2:80", id="taken")
    file = File(directory, ["127.1.0.1:80", {"url": "127.1.0.2:80", "id": "taken"}])
    one = discover(sidecar, *file.arguments, "--hold", "500ms")
    expect_urls(sidecar, "127.1.0.1:80", "127.9.0.1:80", "127.9.0.2:80")
    assert "default/taken" in one.wait_event("ids that another owner has")["servers"]
    sidecar.control.remove("taken", drain_seconds=0)
    expect_urls(sidecar, "127.1.0.1:80", "127.1.0.2:80", "127.9.0.1:80")
    file.write([])
    expect_urls(sidecar, "127.9.0.1:80")


def test_what_somebody_removes_comes_back(sidecar, discover, directory):
    file = File(directory, names(3))
    discover(sidecar, *file.arguments)
    sidecar.control.remove("127-1-0-1-80", drain_seconds=0)
    expect_urls(sidecar, *names(3))


def test_an_operator_may_drain_what_was_discovered(sidecar, discover, directory):
    file = File(directory, names(2))
    one = discover(sidecar, *file.arguments)
    sidecar.control.drain("127-1-0-0-80")
    file.write(names(3))
    expect_urls(sidecar, *names(3))
    assert sidecar.control.get("127-1-0-0-80").status.drained
    assert not one.sync_with("127-1-0-0-80")[1:], "it was added once and not again"


def test_a_sidecar_that_is_killed_gets_its_servers_back(sidecar, discover, directory, protos):
    file = File(directory, names(3))
    one = discover(sidecar, *file.arguments)
    expect_urls(sidecar, *names(3))
    kill(sidecar)
    one.wait_event("call failed")
    file.write(names(4))
    again = Daemon(sidecar.directory, protos, sidecar.arguments[1:])
    try:
        again.start()
        expect_urls(again, *names(4))
        one.wait_event("sidecar answers again")
    finally:
        again.stop()


def test_discovery_may_start_before_the_sidecar(remora, discover, directory, protos):
    gone = remora()
    gone.stop()
    file = File(directory, names(2))
    one = discover(gone, *file.arguments, wait_ready=False)
    one.wait_event("call failed")
    assert fetch(one.admin, target="/readyz").status == 503
    again = Daemon(gone.directory, protos, gone.arguments[1:])
    try:
        again.start()
        one.wait_event("ready")
        assert urls(again) == names(2)
    finally:
        again.stop()


def test_at_its_end_the_servers_stay(sidecar, discover, directory):
    file = File(directory, names(2))
    one = discover(sidecar, *file.arguments)
    one.stop()
    assert one.find_event("ends, the servers stay", signal="SIGTERM")
    assert urls(sidecar) == names(2)


def test_the_next_one_takes_over_what_it_finds(sidecar, discover, directory):
    file = File(directory, names(3))
    kill(discover(sidecar, *file.arguments))
    uids = {server.id: server.uid for server in sidecar.control.list()}
    file.write(names(2))
    discover(sidecar, *file.arguments)
    expect_urls(sidecar, *names(2))
    for server in sidecar.control.list():
        assert server.uid == uids[server.id]


# ---- the guard ----------------------------------------------------------------------------------


def test_a_mass_removal_is_held_and_carried_out_if_it_still_stands(sidecar, discover, directory):
    file = File(directory, names(12))
    one = discover(sidecar, *file.arguments, "--hold", "2s")
    expect_urls(sidecar, *names(12))
    file.write([*names(3), "127.2.0.1:80"])
    held = one.wait_event("mass removal held")
    assert (held["gone"], held["of"], held["level"]) == ("9", "12", "error")
    expect_urls(sidecar, *names(12), "127.2.0.1:80")
    expect_urls(sidecar, *names(3), "127.2.0.1:80")
    carried_out = eventually(lambda: one.sync_with("removed"))[0]
    assert seconds_between(held, carried_out) >= 1.99


def test_a_source_that_comes_to_its_senses_removes_nothing(sidecar, discover, directory):
    file = File(directory, names(4))
    one = discover(sidecar, *file.arguments, "--hold", "10m")
    file.write([])
    one.wait_event("mass removal held")
    metrics = fetch(one.admin, target="/metrics").body.decode()
    assert "remora_discovery_held 4\n" in metrics
    file.write(names(4))
    one.wait_event("no removal is held any more")
    assert urls(sidecar) == names(4)
    assert not one.sync_with("removed")


# ---- once, dry run ------------------------------------------------------------------------------


def test_once_ends_after_one_sync(sidecar, remoractl, directory):
    file = File(directory, names(2))
    run = remoractl(sidecar, "discover", "--once", *file.arguments)
    assert run.returncode == 0, run
    assert urls(sidecar) == names(2)
    again = remoractl(sidecar, "discover", "--once", *file.arguments)
    assert again.returncode == 0 and "synced" not in again.stderr, again


def test_a_dry_run_shows_what_differs_and_changes_nothing(sidecar, remoractl, directory):
    file = File(directory, names(3))
    remoractl(sidecar, "discover", "--once", *file.arguments)
    file.write([{"url": "127.1.0.0:80", "weight": 3}, "127.1.0.9:80"])
    run = remoractl(sidecar, "discover", "--dry-run", *file.arguments)
    assert run.returncode == 0, run
    assert run.stdout.splitlines() == [
        "~ default/127-1-0-0-80: weight 1 -> 3", "- default/127-1-0-1-80: http://127.1.0.1:80",
        "- default/127-1-0-2-80: http://127.1.0.2:80", "+ default/127-1-0-9-80: http://127.1.0.9:80"]
    assert "1 added, 1 changed, 2 removed" in run.stderr
    assert urls(sidecar) == names(3)


def test_once_fails_with_the_exit_code_of_what_went_wrong(sidecar, remoractl, directory):
    file = File(directory, names(4))
    assert remoractl(sidecar, "discover", "--once", *file.arguments).returncode == 0
    file.write([])
    held = remoractl(sidecar, "discover", "--once", *file.arguments)
    assert held.returncode == 4 and "--hold 0" in held.stderr, held
    assert urls(sidecar) == names(4)
    allowed = remoractl(sidecar, "discover", "--once", "--hold", "0", *file.arguments)
    assert allowed.returncode == 0 and urls(sidecar) == [], allowed
    os.unlink(file.path)
    missing = remoractl(sidecar, "discover", "--once", *file.arguments)
    assert missing.returncode == 69 and "can't read" in missing.stderr, missing
    file.write([{"url": "127.1.0.1:80", "pool": "nowhere"}])
    refused = remoractl(sidecar, "discover", "--once", *file.arguments)
    assert refused.returncode == 3 and "nowhere" in refused.stderr, refused
    sidecar.stop()
    away = remoractl(sidecar, "discover", "--once", *file.arguments)
    assert away.returncode == 69, away


# ---- the admin port -----------------------------------------------------------------------------


def test_the_admin_port_tells_of_all_parts(sidecar, discover, directory):
    file = File(directory, names(3))
    one = discover(sidecar, *file.arguments, "--name", "web")
    assert fetch(one.admin, target="/livez").status == 200
    ready = fetch(one.admin, target="/readyz?verbose")
    assert ready.status == 200
    assert ready.body.decode() == f"[+]source {file.path}\n[+]sidecar\nready\n"
    metrics = fetch(one.admin, target="/metrics").body.decode()
    for line in ('remora_discovery_info{name="web",', "remora_discovery_in_sync 1\n",
                 f'remora_discovery_source_up{{source="{file.path}"}} 1\n',
                 f'remora_discovery_endpoints{{source="{file.path}"}} 3\n',
                 'remora_discovery_changes_total{kind="added"} 3\n'):
        assert line in metrics, metrics
    stamp = float(re.search(r"^remora_discovery_last_sync_timestamp_seconds (\S+)$", metrics,
                            re.MULTILINE).group(1))
    assert abs(stamp - datetime.datetime.now().timestamp()) < 60
    assert fetch(one.admin, target="/other").status == 404
    assert fetch(one.admin, method="POST", target="/livez").status == 405
    kill(sidecar)
    one.wait_event("call failed")
    assert fetch(one.admin, target="/readyz").status == 200, "what was found stays"


def test_an_admin_address_that_is_taken_is_an_error(sidecar, discover, remoractl, directory):
    file = File(directory, names(1))
    host, port = discover(sidecar, *file.arguments).admin
    run = remoractl(sidecar, "discover", *file.arguments, "--admin", f"{host}:{port}")
    assert run.returncode == 69 and "--admin" in run.stderr, run


# ---- DNS ----------------------------------------------------------------------------------------


def dns_arguments(dns, *more):
    return ["--source", "dns", "--dns-server", dns.address, *more]


def test_addresses_of_a_name_are_followed_by_their_ttl(sidecar, discover, dns):
    dns.addresses("web.test", ["127.1.0.1", "127.1.0.2"])
    dns.addresses("web.test", ["::1"], type=AAAA)
    discover(sidecar, *dns_arguments(dns, "--host", "web.test:80", "--path-prefix", "/api"))
    expect_urls(sidecar, "127.1.0.1:80/api", "127.1.0.2:80/api")
    dns.addresses("web.test", ["127.1.0.2", "127.1.0.3"])
    expect_urls(sidecar, "127.1.0.2:80/api", "127.1.0.3:80/api")


def test_a_name_with_addresses_of_ipv6_only(sidecar, discover, dns):
    dns.addresses("six.test", ["::1"], type=AAAA)
    discover(sidecar, *dns_arguments(dns, "--host", "six.test:8080"))
    expect_urls(sidecar, "[::1]:8080")


@pytest.mark.parametrize("failure", [NXDOMAIN, SERVFAIL])
def test_dns_that_fails_changes_nothing(failure, sidecar, discover, dns):
    dns.addresses("web.test", ["127.1.0.1", "127.1.0.2"])
    one = discover(sidecar, *dns_arguments(dns, "--host", "web.test:80"))
    dns.fail(failure)
    assert one.wait_event("source away")["kept"] == "2"
    asked = dns.asked("web.test")
    eventually(lambda: dns.asked("web.test") > asked + 1, what="it asks again and again")
    assert urls(sidecar) == ["127.1.0.1:80", "127.1.0.2:80"]
    dns.addresses("web.test", ["127.1.0.2"])
    dns.fail(None)
    expect_urls(sidecar, "127.1.0.2:80", timeout=30)


def test_a_silent_dns_keeps_nobody_from_ending(sidecar, discover, dns):
    dns.fail("silence")
    one = discover(sidecar, *dns_arguments(dns, "--host", "web.test:80"), wait_ready=False)
    eventually(lambda: dns.asked("web.test"))
    one.stop(timeout=5)


def test_srv_records_have_ports_priorities_and_weights(sidecar, discover, dns):
    dns.services("_http._tcp.web.test",
                 [(1, 10, 8080, "127.1.0.1"), (1, 30, 8081, "127.1.0.2"), (2, 1, 80, "127.1.0.3")])
    discover(sidecar, *dns_arguments(dns, "--srv", "_http._tcp.web.test"))
    expect_urls(sidecar, "127.1.0.1:8080", "127.1.0.2:8081")
    assert [server.spec.weight for server in sidecar.control.list()] == [10, 30]
    dns.services("_http._tcp.web.test", [(2, 1, 80, "127.1.0.3"), (1, 30, 8081, "127.1.0.2")])
    expect_urls(sidecar, "127.1.0.2:8081")


def test_one_name_that_is_unknown_keeps_nobody_else_out_and_removes_nothing(sidecar, discover,
                                                                            dns):
    dns.addresses("old.test", ["127.1.0.9"])
    arguments = dns_arguments(dns, "--name", "n", "--host", "old.test:80")
    discover(sidecar, *arguments).stop()
    dns.addresses("web.test", ["127.1.0.1"])
    one = discover(sidecar, *dns_arguments(dns, "--name", "n", "--host", "web.test:80", "--host",
                                           "late.test:80"), wait_ready=False)
    expect_urls(sidecar, "127.1.0.1:80", "127.1.0.9:80")
    assert fetch(one.admin, target="/readyz").status == 503
    dns.addresses("late.test", ["127.1.0.2"])
    expect_urls(sidecar, "127.1.0.1:80", "127.1.0.2:80", timeout=30)
