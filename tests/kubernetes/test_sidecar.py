"""The sidecar in pods: life, inbound and exec, with applications that count what they see."""
import json

from applications import (RATE, expect_no_failures, expect_pods, inbound_server, load, replace_app,
                          restarts, server)
from cluster import NEXT_IMAGE, build, eventually, peer_container, pod


# Behind a change of a ConfigMap the kubelet may wait for its sync period, 60 s and some more.
KUBELET_SYNC = 150


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
    changed = [one for one in build("inbound", namespace.name, config=outbound_config(second))
               if one["kind"] == "ConfigMap"]
    namespace.apply(changed)
    expect_pods(namespace, client, {"b"}, KUBELET_SYNC)
    expect_no_failures(namespace, client)
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


# ---- clusters without native sidecars ----

def test_exec_starts_the_application_behind_the_sidecar_and_ends_both(namespace, images):
    namespace.apply(build("exec", namespace.name))
    namespace.wait_rollout("deployment/app")
    name = namespace.pod_names("app").pop()
    assert "remora_build_info" in namespace.through(name, 3002, "/metrics")
    namespace.kubectl("scale", "deployment/app", "--replicas=0")
    namespace.kubectl("wait", "--for=delete", f"pod/{name}", "--timeout=29s")
