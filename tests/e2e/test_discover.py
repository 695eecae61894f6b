"""`remoractl discover` against a live sidecar: files, DNS and a (played) Kubernetes."""
import datetime
import json
import os
import random
import re
import tempfile

import pytest

from peers.daemon import Daemon
from peers.discover import Discover
from peers.dns import AAAA, NXDOMAIN, SERVFAIL, DnsServer
from peers.http import fetch
from peers.kubernetes import Kubernetes, endpoint, make_certificates
from peers.wait import eventually


@pytest.fixture
def sidecar(remora):
    return remora()


@pytest.fixture
def discover(directory, protos):
    """discover(sidecar, arguments): a running `remoractl discover`, ready unless told otherwise."""
    started = []

    def start(sidecar, *arguments, wait_ready=True, env=None):
        home = tempfile.mkdtemp(prefix="d", dir=directory)
        one = Discover(home, protos, sidecar.control_target, ["--poll", "200ms", *arguments], env)
        started.append(one)
        return one.start(wait_ready)

    yield start
    try:
        for one in started:
            one.stop()
    finally:
        for one in started:
            one.kill()


@pytest.fixture
def kubernetes(directory):
    one = Kubernetes(directory)
    yield one
    one.shut()


@pytest.fixture
def dns():
    one = DnsServer()
    yield one
    one.shut()


class File:
    def __init__(self, directory, servers=()):
        self.path = os.path.join(directory, "servers.yaml")
        self.write(servers)

    def write(self, servers):
        self.write_text(json.dumps({"servers": list(servers)}))

    def write_text(self, text):
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(self.path + ".new", self.path)

    @property
    def arguments(self):
        return ["--source", "file", "--file", self.path]


def urls(sidecar):
    """Of what is not on its way out."""
    draining = sidecar.control.pb.ServerStatus.DRAINING
    return sorted(server.spec.url.removeprefix("http://") for server in sidecar.control.list()
                  if server.status.state != draining or server.status.drained)


def expect_urls(sidecar, *wanted, timeout=15):
    eventually(lambda: urls(sidecar) == sorted(wanted), timeout, f"servers are {wanted}")


def kill(process):
    """With -9: nobody is to look at how it ended."""
    process.kill()
    process.process = None


def names(count, start=0):
    return [f"127.1.0.{i}:80" for i in range(start, start + count)]


def owners(sidecar):
    return {server.id: server.owner for server in sidecar.control.list()}


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


# ---- Kubernetes ---------------------------------------------------------------------------------


def of_kubernetes(kubernetes, *more, service="default/web"):
    return (["--source", "kubernetes", "--service", service, *more],
            {"KUBECONFIG": kubernetes.kubeconfig()})


def start_kubernetes(discover, sidecar, kubernetes, *more, service="default/web", **how):
    arguments, env = of_kubernetes(kubernetes, *more, service=service)
    return discover(sidecar, *arguments, env=env, **how)


def test_the_slices_of_a_service_are_followed(sidecar, discover, kubernetes):
    kubernetes.put("web-1", [endpoint("127.1.0.1"), endpoint("127.1.0.2", ready=False)])
    kubernetes.put("other-1", [endpoint("127.9.0.1")], service="other")
    kubernetes.put("web-1", [endpoint("127.9.0.2")], namespace="elsewhere")
    start_kubernetes(discover, sidecar, kubernetes)
    expect_urls(sidecar, "127.1.0.1:80")
    assert owners(sidecar) == {"127-1-0-1-80": "discovery:web"}
    kubernetes.put("web-1", [endpoint("127.1.0.1"), endpoint("127.1.0.2")])
    kubernetes.put("web-2", [endpoint("127.1.0.2"), endpoint("127.1.0.3")])
    expect_urls(sidecar, "127.1.0.1:80", "127.1.0.2:80", "127.1.0.3:80")
    kubernetes.delete("web-1")
    expect_urls(sidecar, "127.1.0.2:80", "127.1.0.3:80")
    assert kubernetes.count("list") == 1, "the rest came over the watch"


def test_pods_that_end_serve_on_where_no_other_is_ready(sidecar, discover, kubernetes):
    ends = endpoint("127.1.0.1", ready=False, serving=True, terminating=True)
    kubernetes.put("web-1", [endpoint("127.1.0.1")])
    one = start_kubernetes(discover, sidecar, kubernetes)
    kubernetes.put("web-1", [ends, endpoint("127.1.0.2", ready=False)])
    kubernetes.put("web-2", [endpoint("127.1.0.3")])
    expect_urls(sidecar, "127.1.0.3:80")
    eventually(lambda: one.sync_with("removed default/127-1-0-1-80, added default/127-1-0-3-80"))


def test_a_named_port_and_two_services(sidecar, discover, kubernetes):
    ports = [{"name": "http", "port": 8080}, {"name": "admin", "port": 9090}]
    kubernetes.put("web-1", [endpoint("127.1.0.1", nodeName="n1", zone="a",
                                      targetRef={"kind": "Pod", "name": "web-0"})], ports=ports)
    kubernetes.put("api-1", [endpoint("127.2.0.1")], service="api")
    one = start_kubernetes(discover, sidecar, kubernetes, "--service", "default/api",
                           wait_ready=False)
    assert "NS/NAME:PORT" in one.wait_event("source away")["cause"]
    expect_urls(sidecar, "127.2.0.1:80")
    start_kubernetes(discover, sidecar, kubernetes, "--name", "named", service="default/web:admin")
    expect_urls(sidecar, "127.1.0.1:9090", "127.2.0.1:80")
    labels = sidecar.control.get("127-1-0-1-9090").spec.labels
    assert dict(labels) == {"node": "n1", "zone": "a", "pod": "web-0"}


def test_hints_are_weights_when_asked(sidecar, discover, kubernetes):
    def hinted(address, zone):
        return endpoint(address, hints={"forZones": [{"name": zone}]})
    kubernetes.put("web-1", [hinted("127.1.0.1", "a"), hinted("127.1.0.2", "b")])
    start_kubernetes(discover, sidecar, kubernetes, "--zone", "a", "--prefer-zone")
    assert [server.spec.weight for server in sidecar.control.list()] == [100, 1]


def test_a_watch_that_is_cut_goes_on_from_the_last_version(sidecar, discover, kubernetes):
    kubernetes.put("web-1", [endpoint("127.1.0.1")])
    one = start_kubernetes(discover, sidecar, kubernetes)
    kubernetes.bookmark()
    kubernetes.put("web-2", [endpoint("127.1.0.2")])
    expect_urls(sidecar, "127.1.0.1:80", "127.1.0.2:80")
    kubernetes.bookmark()
    marked = str(kubernetes._version)
    # A change behind the bookmark proves that it has arrived.
    kubernetes.put("web-2", [endpoint("127.1.0.2"), endpoint("127.1.0.3")])
    expect_urls(sidecar, "127.1.0.1:80", "127.1.0.2:80", "127.1.0.3:80")
    kubernetes.cut()
    one.wait_event("source away")
    kubernetes.put("web-1", [endpoint("127.1.0.4")])
    expect_urls(sidecar, "127.1.0.2:80", "127.1.0.3:80", "127.1.0.4:80")
    assert kubernetes.count("list") == 1
    kind, version = kubernetes.requests[-1]
    assert kind == "watch" and int(version) == int(marked) + 1


@pytest.mark.parametrize("as_status", [True, False])
def test_what_was_compacted_is_listed_anew(as_status, sidecar, discover, kubernetes):
    kubernetes.gone_as_status = as_status
    kubernetes.put("web-1", [endpoint("127.1.0.1"), endpoint("127.1.0.2")])
    one = start_kubernetes(discover, sidecar, kubernetes)
    eventually(lambda: kubernetes.count("watch") == 1)
    kubernetes.down()
    one.wait_event("source away")
    kubernetes.put("web-1", [endpoint("127.1.0.2")])
    kubernetes.put("web-2", [endpoint("127.1.0.3")])
    kubernetes.compact()
    assert urls(sidecar) == ["127.1.0.1:80", "127.1.0.2:80"]
    kubernetes.up()
    expect_urls(sidecar, "127.1.0.2:80", "127.1.0.3:80", timeout=30)
    assert kubernetes.count("list") == 2
    metrics = fetch(one.admin, target="/metrics").body.decode()
    assert 'remora_discovery_relists_total{source="default/web"} 1\n' in metrics


def test_everything_is_listed_again_each_resync(sidecar, discover, kubernetes):
    kubernetes.put("web-1", [endpoint("127.1.0.1")])
    one = start_kubernetes(discover, sidecar, kubernetes, "--resync", "1s")
    eventually(lambda: kubernetes.count("list") >= 3, 20)
    assert one.find_event("source away") is None, "that is no failure"
    assert urls(sidecar) == ["127.1.0.1:80"]


def test_a_refused_token_is_told_and_a_rotated_one_is_read(sidecar, discover, kubernetes):
    kubernetes.put("web-1", [endpoint("127.1.0.1")])
    token = os.path.join(kubernetes.directory, "token")

    def rotate(text):
        with open(token, "w", encoding="ascii") as file:
            file.write(text + "\n")
    rotate("old")
    arguments, _ = of_kubernetes(kubernetes)
    env = {"KUBECONFIG": kubernetes.kubeconfig(tokenFile="token")}
    one = discover(sidecar, *arguments, env=env, wait_ready=False)
    assert "401" in one.wait_event("source away")["cause"]
    rotate(kubernetes.token)
    one.wait_event("ready", timeout=30)
    # And while it runs: the token is read with each request.
    kubernetes.token = "new"
    rotate("new")
    kubernetes.cut()
    kubernetes.put("web-1", [endpoint("127.1.0.1"), endpoint("127.1.0.2")])
    expect_urls(sidecar, "127.1.0.1:80", "127.1.0.2:80")


def test_the_account_of_a_pod_is_used_where_there_is_one(sidecar, discover, kubernetes):
    """Without KUBECONFIG and with a service's address: the account's files are not there."""
    port = kubernetes._port
    arguments, _ = of_kubernetes(kubernetes)
    env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port),
           "KUBECONFIG": ""}
    one = discover(sidecar, *arguments, env=env, wait_ready=False)
    assert "serviceaccount/ca.crt" in one.wait_event("source away")["cause"]


@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_a_server_that_is_not_the_right_one_is_not_believed(wrong, sidecar, discover, kubernetes,
                                                            directory):
    kubernetes.put("web-1", [endpoint("127.1.0.1")])
    if wrong == "authority":
        other = os.path.join(directory, "other")
        os.makedirs(other)
        make_certificates(other)
        os.replace(os.path.join(other, "ca.crt"), os.path.join(kubernetes.directory, "ca.crt"))
    else:
        kubernetes.down()
        make_certificates(kubernetes.directory, "DNS:elsewhere.test")
        kubernetes.up()
    one = start_kubernetes(discover, sidecar, kubernetes, wait_ready=False)
    assert "certificate verify failed" in one.wait_event("source away")["cause"]
    assert kubernetes.requests == [] and urls(sidecar) == []


def test_a_thousand_endpoints_in_a_dozen_slices_with_duplicates(remora, discover, kubernetes):
    sidecar = remora(pool={"health_check": {"interval": "1m"}})
    addresses = [f"127.{i // 250 + 1}.0.{i % 250 + 1}" for i in range(1000)]
    kubernetes.page_size = 5
    for n in range(12):
        part = addresses[n * 84:(n + 1) * 84] + addresses[n * 84 - 10:n * 84]
        kubernetes.put(f"web-{n}", [endpoint(address) for address in part])
    start_kubernetes(discover, sidecar, kubernetes)
    assert len(urls(sidecar)) == 1000
    assert kubernetes.count("list") == 3
    for n in range(3):
        kubernetes.put(f"web-{n}", [])
    expected = sorted(f"{address}:80" for address in addresses[3 * 84 - 10:])
    eventually(lambda: urls(sidecar) == expected, 20)


@pytest.mark.parametrize("seed", range(3))
def test_after_any_history_the_sets_are_equal(seed, sidecar, discover, kubernetes):
    chance = random.Random(seed)
    slices = {}
    start_kubernetes(discover, sidecar, kubernetes, "--hold", "500ms")

    def change():
        name = f"web-{chance.randrange(4)}"
        if name in slices and chance.random() < 0.2:
            del slices[name]
            return kubernetes.delete(name)
        slices[name] = {f"127.1.0.{chance.randrange(1, 30)}" for _ in range(chance.randrange(8))}
        return kubernetes.put(name, [endpoint(address) for address in sorted(slices[name])])

    away = False
    for _ in range(60):
        step = chance.random()
        if step < 0.7:
            change()
        elif step < 0.8:
            kubernetes.bookmark()
        elif step < 0.9:
            kubernetes.compact() if away else kubernetes.cut()
        else:
            kubernetes.up() if away else kubernetes.down()
            away = not away
        if chance.random() < 0.3:
            urls(sidecar)  # a moment for what is under way
    if away:
        kubernetes.up()
    expected = sorted({f"{address}:80" for part in slices.values() for address in part})
    eventually(lambda: urls(sidecar) == expected, 40, "the sets are equal")


def test_a_rolling_update_is_not_held(sidecar, discover, kubernetes):
    pods = list(range(1, 13))
    one = start_kubernetes(discover, sidecar, kubernetes)

    def publish():
        kubernetes.put("web-1", [endpoint(f"127.1.0.{pod}") for pod in pods])
        expect_urls(sidecar, *(f"127.1.0.{pod}:80" for pod in pods))
    publish()
    for pod in range(21, 33, 3):
        del pods[:3]  # a quarter may be missing
        publish()
        pods += range(pod, pod + 3)
        publish()
    assert one.find_event("mass removal held") is None
