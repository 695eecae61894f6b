"""`remoractl discover` against a live sidecar and an API server that is played."""
import os
import random

import pytest

from peers.discover import expect_urls, owners, urls
from peers.http import fetch
from peers.kubernetes import Kubernetes, endpoint, make_certificates
from peers.wait import eventually


@pytest.fixture
def kubernetes(directory):
    one = Kubernetes(directory)
    yield one
    one.shut()


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
