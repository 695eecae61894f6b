"""The sidecar in pods: the overlays with applications that count what they see."""
import json

from cluster import NEXT_IMAGE, build, eventually, peer_container, pod

RATE = 200  # requests a second
# Behind a change of a ConfigMap the kubelet may wait for its sync period, 60 s and some more.
KUBELET_SYNC = 150


def linger(seconds):
    """An application may not end before others have learned that it is going to."""
    return {"preStop": {"sleep": {"seconds": seconds}}}


def replace_app(name, container, replicas=1):
    """A patch for build(): another application in the overlay's Deployment `name`."""
    return (f"Deployment/{name}",
            [{"op": "replace", "path": "/spec/template/spec/containers/0", "value": container},
             {"op": "replace", "path": "/spec/replicas", "value": replicas}])


def load(address, target="/", rate=RATE):
    return peer_container("load", address, target, rate, 8090)


def server(lifecycle=None):
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
    return peer_container("serve", 8080, readinessProbe=probe,
                          ports=[{"name": "http", "containerPort": 8080}],
                          **({"lifecycle": lifecycle} if lifecycle else {}))


def inbound_server():
    """Behind the sidecar: for as long as that takes new requests, 5 s, and then for the last ones."""
    probe = {"httpGet": {"path": "/", "port": 3000}, "periodSeconds": 1}
    return peer_container("serve", 8080, readinessProbe=probe, lifecycle=linger(12))


def outbound_config(*addresses):
    return {"listeners": [{"address": "127.0.0.1:3000", "direction": "outbound"}],
            "pools": [{"name": "default", "health_check": {"rise": 1},
                       "servers": [f"http://{address}" for address in addresses]}]}


def start_servers(namespace, *names):
    """Pods that serve, and their addresses in the same order."""
    namespace.apply([pod(name, server()) for name in names])
    for name in names:
        namespace.wait_pod(name)
    return [namespace.get("pod", name)["status"]["podIP"] + ":8080" for name in names]


def start_client(namespace, *addresses):
    """An application with a sidecar that has these servers; the name of its pod."""
    namespace.apply(build("inbound", namespace.name, [replace_app("app", load("127.0.0.1:3000"))],
                          config=outbound_config(*addresses)))
    namespace.wait_rollout("deployment/app")
    return namespace.pod_names("app").pop()


def restarts(namespace, pod_name):
    status = namespace.get("pod", pod_name)["status"]
    both = status["containerStatuses"] + status.get("initContainerStatuses", [])
    return {one["name"]: one["restartCount"] for one in both}


def expect_pods(namespace, client, names, timeout):
    """All of these answer, and from some moment on no others."""
    def seen():
        namespace.mark(client)
        eventually(lambda: sum(namespace.stats(client)["by_pod"].values()) >= RATE, 10, "traffic")
        by_pod = namespace.stats(client)["by_pod"]
        assert set(by_pod) == set(names), by_pod
        return by_pod
    return eventually(seen, timeout, f"answers of {sorted(names)} and of no others")


def expect_no_failures(namespace, client, before=0):
    """None but those that were seen before, while the first servers were still to be probed."""
    stats = namespace.stats(client)
    assert stats["failed"] == before, json.dumps(stats, indent=1)


# ---- life ----

def test_the_namespace_refuses_what_is_not_restricted(namespace):
    """So that the other tests say something: what they start is judged."""
    container = peer_container("serve", 8080)
    del container["securityContext"]
    run = namespace.kubectl("apply", "-f", "-", "--dry-run=server", check=False,
                            text=json.dumps(pod("loose", container)))
    assert run.returncode != 0
    assert 'violates PodSecurity "restricted' in run.stderr


def test_a_job_ends_when_its_application_has_ended(namespace, images):
    namespace.apply(build("job", namespace.name))
    run = namespace.kubectl("wait", "--for=condition=complete", "job/job", "--timeout=90s",
                            check=False)
    assert run.returncode == 0, namespace.why()
    [status] = [one["status"] for one in namespace.get("pods")["items"]]
    ended = {one["name"]: one["state"]["terminated"]["exitCode"]
             for one in status["containerStatuses"]}
    assert ended == {"app": 0}  # it has found its sidecar


def test_a_sidecar_keeps_its_state_while_the_application_crashes(namespace, images):
    [address] = start_servers(namespace, "a")
    crashing = peer_container("get", "127.0.0.1:9", "/", 1)  # nobody is there: it exits with 1
    namespace.apply(build("inbound", namespace.name, [replace_app("app", crashing)],
                          config=outbound_config(address)))
    name = eventually(lambda: namespace.pod_names("app"), 30, "a pod is made").pop()
    eventually(lambda: restarts(namespace, name)["app"] >= 2, 90, "the application restarts")
    assert restarts(namespace, name)["remora"] == 0
    listed = json.loads(namespace.through(name, 3002, "/servers"))["servers"]
    assert [one["status"]["state"] for one in listed] == ["ACTIVE"]


def test_a_new_sidecar_comes_into_a_running_pod(namespace, images):
    addresses = start_servers(namespace, "a", "b")
    client = start_client(namespace, *addresses)
    expect_pods(namespace, client, {"a", "b"}, 30)
    new = {"spec": {"initContainers": [{"name": "remora", "image": NEXT_IMAGE}]}}
    namespace.kubectl("patch", "pod", client, "--patch", json.dumps(new))
    eventually(lambda: restarts(namespace, client) == {"app": 0, "remora": 1}, 90,
               "the sidecar alone is replaced")
    expect_pods(namespace, client, {"a", "b"}, 60)


def test_a_changed_config_map_is_live_without_a_failed_request(namespace, images):
    first, second = start_servers(namespace, "a", "b")
    client = start_client(namespace, first)
    expect_pods(namespace, client, {"a"}, 30)
    before = namespace.stats(client)["failed"]
    changed = [one for one in build("inbound", namespace.name, config=outbound_config(second))
               if one["kind"] == "ConfigMap"]
    namespace.apply(changed)
    expect_pods(namespace, client, {"b"}, KUBELET_SYNC)
    expect_no_failures(namespace, client, before)
    assert restarts(namespace, client) == {"app": 0, "remora": 0}


# ---- inbound ----

def start_inbound(namespace, replicas, target="/", rate=RATE):
    """The inbound overlay with a server behind it, and a client of its Service."""
    namespace.apply(build("inbound", namespace.name,
                          [replace_app("app", inbound_server(), replicas)]))
    namespace.wait_rollout("deployment/app")
    address = namespace.get("service", "app")["spec"]["clusterIP"]
    namespace.apply([pod("client", load(f"{address}:80", target, rate))])
    namespace.wait_pod("client")


def test_traffic_of_a_service_comes_through_the_sidecar(namespace, images):
    start_inbound(namespace, 2)
    expect_pods(namespace, "client", namespace.pod_names("app"), 30)
    for name in namespace.pod_names("app"):
        assert "remora_requests_total" in namespace.through(name, 3002, "/metrics")
    expect_no_failures(namespace, "client")


def test_an_inbound_rollout_fails_no_request(namespace, images):
    start_inbound(namespace, 3)
    before = namespace.pod_names("app")
    namespace.kubectl("rollout", "restart", "deployment/app")
    namespace.wait_rollout("deployment/app")
    eventually(lambda: not before & {one["metadata"]["name"]
                                     for one in namespace.get("pods")["items"]},
               90, "the old pods are gone")
    expect_pods(namespace, "client", namespace.pod_names("app"), 30)
    expect_no_failures(namespace, "client")


def test_slow_answers_of_a_deleted_pod_are_whole(namespace, images):
    start_inbound(namespace, 1, "/?ms=4000", rate=20)
    eventually(lambda: namespace.stats("client")["by_pod"], 30, "answers")
    old = namespace.pod_names("app").pop()
    namespace.kubectl("delete", "pod", old, "--wait=false")
    eventually(lambda: old not in {one["metadata"]["name"] for one in namespace.get("pods")["items"]},
               60, "the pod is gone")
    failures = namespace.stats("client")["failures"]
    # There is no other pod meanwhile, so new connections may fail; what was begun may not.
    assert [one for one in failures if one not in ("can't connect", "can't send")] == []


# ---- outbound ----

def start_outbound(namespace, replicas):
    """The outbound overlay with servers and a client that count; what has failed until all is warm."""
    namespace.apply(build("outbound", namespace.name, [
        replace_app("app", load("127.0.0.1:3000")),
        replace_app("backend", server(linger(6)), replicas)]))
    namespace.wait_rollout("deployment/backend")
    namespace.wait_rollout("deployment/app")
    client = namespace.pod_names("app").pop()
    expect_pods(namespace, client, namespace.pod_names("backend"), 20)
    return client, namespace.stats(client)["failed"]


def test_the_application_reaches_every_replica_and_no_request_fails_while_they_scale(
        namespace, images):
    client, before = start_outbound(namespace, 3)
    for replicas in (6, 2):
        namespace.kubectl("scale", "deployment/backend", f"--replicas={replicas}")
        eventually(lambda want=replicas: len(namespace.pod_names("backend")) == want, 30, "scaled")
        namespace.wait_rollout("deployment/backend")
        expect_pods(namespace, client, namespace.pod_names("backend"), 20)
    expect_no_failures(namespace, client, before)


def test_a_rollout_of_what_it_calls_fails_no_request(namespace, images):
    client, before = start_outbound(namespace, 3)
    old = namespace.pod_names("backend")
    namespace.kubectl("rollout", "restart", "deployment/backend")
    namespace.wait_rollout("deployment/backend")
    assert not old & namespace.pod_names("backend")
    expect_pods(namespace, client, namespace.pod_names("backend"), 20)
    expect_no_failures(namespace, client, before)


# ---- clusters without native sidecars ----

def test_exec_starts_the_application_behind_the_sidecar_and_ends_both(namespace, images):
    namespace.apply(build("exec", namespace.name))
    namespace.wait_rollout("deployment/app")
    name = namespace.pod_names("app").pop()
    assert "remora_build_info" in namespace.through(name, 3002, "/metrics")
    namespace.kubectl("scale", "deployment/app", "--replicas=0")
    namespace.kubectl("wait", "--for=delete", f"pod/{name}", "--timeout=29s")
