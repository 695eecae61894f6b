"""Outbound with discovery: an application that calls a Service through its sidecar while pods come and
go. Nothing of it may fail, from its first request on."""
import json
import os
import pathlib
import random
import signal
import subprocess
import threading
import time

import pytest

from applications import (expect_no_failures, expect_pods, linger, load, replace_app, restarts,
                          server)
from cluster import build, containers, eventually, pod_template

MANY = 1000  # endpoints of a Service of many slices
PER_SLICE = 100


class SliceWatch:
    """What the API server says of the endpoints of a Service, with the time it was heard, in that of
    `client`."""

    def __init__(self, namespace, service, client):
        # Nodes may have another time than this machine.
        self._ahead_ms = namespace.stats(client)["now_ms"] - time.time() * 1000
        path = (f"/apis/discovery.k8s.io/v1/namespaces/{namespace.name}/endpointslices"
                f"?labelSelector=kubernetes.io/service-name%3D{service}&watch=1")
        self.ready = set()  # pods, now
        self.ready_ms = {}  # by pod: when it was first said to be ready
        self.gone_ms = {}   # by pod: since when it is said to be it no more
        self._of_slice = {}  # by name of the slice: its ready pods
        self._process = subprocess.Popen(["kubectl", "get", "--raw", path], text=True,
                                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._process.stdout:
            event = json.loads(line)
            self._take(event, time.time() * 1000 + self._ahead_ms)

    def _take(self, event, now_ms):
        slice_ = event["object"]
        pods = set()
        if event["type"] != "DELETED":
            pods = {one["targetRef"]["name"] for one in slice_.get("endpoints") or ()
                    if one["conditions"].get("ready")}
        self._of_slice[slice_["metadata"]["name"]] = pods
        self.ready = set().union(*self._of_slice.values())
        for pod in self.ready:
            self.ready_ms.setdefault(pod, now_ms)
            self.gone_ms.pop(pod, None)  # it is back
        for pod in self.ready_ms.keys() - self.ready:
            self.gone_ms.setdefault(pod, now_ms)

    def stop(self):
        self._process.terminate()
        self._process.wait(10)
        self._thread.join(10)


def start_outbound(namespace, replicas, *arguments, token_seconds=3600):
    """The overlay with servers and a client that count. The servers first: before there are any, an
    application can only be refused."""
    objects = build("outbound", namespace.name, [
        replace_app("app", load("127.0.0.1:3000")),
        replace_app("backend", server(linger(6)), replicas)])
    client = [one for one in objects if one["metadata"]["name"] == "app"]
    [app] = [one for one in client if one["kind"] == "Deployment"]
    containers(app)["remora-discover"]["args"] += arguments
    [token] = [one["projected"]["sources"][0]["serviceAccountToken"]
               for one in pod_template(app)["volumes"] if one["name"] == "remora-token"]
    token["expirationSeconds"] = token_seconds
    namespace.apply([one for one in objects if one not in client])
    namespace.wait_rollout("deployment/backend")
    namespace.apply(client)
    namespace.wait_rollout("deployment/app")
    name = namespace.pod_names("app").pop()
    expect_backends(namespace, name)
    return name


def scale(namespace, replicas, timeout=30):
    namespace.kubectl("scale", "deployment/backend", f"--replicas={replicas}")
    eventually(lambda: len(namespace.pod_names("backend")) == replicas, timeout, "scaled")
    namespace.wait_rollout("deployment/backend")


def expect_backends(namespace, client, timeout=20):
    expect_pods(namespace, client, namespace.pod_names("backend"), timeout)


def find_process(namespace, pod_name, words):
    """Of a container on this machine; skips where the node is another one."""
    uid = namespace.get("pod", pod_name)["metadata"]["uid"]
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            groups = (folder / "cgroup").read_text()
        except OSError:
            continue  # it has ended meanwhile
        if words <= {one.decode() for one in command} and (
                uid in groups or uid.replace("-", "_") in groups):
            return int(folder.name)
    return pytest.skip("the node is not on this machine")


# ---- pods come and go ----

def test_no_request_fails_while_they_scale_and_are_replaced(namespace, images):
    client = start_outbound(namespace, 6)
    for replicas in (2, 8):
        scale(namespace, replicas)
        expect_backends(namespace, client)
    old = namespace.pod_names("backend")
    namespace.kubectl("rollout", "restart", "deployment/backend")
    namespace.wait_rollout("deployment/backend")
    assert not old & namespace.pod_names("backend")
    expect_backends(namespace, client)
    expect_no_failures(namespace, client)


def test_no_request_fails_while_pods_are_deleted_at_random(namespace, images, record_property):
    """New ones get requests only once they are ready, deleted ones none a second after the API
    server has said so."""
    client = start_outbound(namespace, 6)
    namespace.mark(client)
    watch = SliceWatch(namespace, "backend", client)
    try:
        eventually(lambda: len(watch.ready_ms) == 6, 10, "the watch has begun")
        began = set(watch.ready_ms)
        until = time.monotonic() + 120
        while time.monotonic() < until:
            pod = random.choice(sorted(eventually(lambda: watch.ready, 10, "one of them is ready")))
            namespace.kubectl("delete", "pod", pod, "--grace-period=5", "--wait=false")
            eventually(lambda pod=pod: pod in watch.gone_ms, 10, f"{pod} leaves the slices")
            if random.random() < 0.5 or len(watch.ready) < 4:  # one at a time, or some that overlap
                namespace.wait_rollout("deployment/backend")
        namespace.wait_rollout("deployment/backend")
        stats = namespace.stats(client)
        expect_no_failures(namespace, client)
        eventually(lambda: namespace.stats(client)["by_pod"].keys() >=
                   namespace.pod_names("backend"), 20, "all of them answer")
    finally:
        watch.stop()
    lag_ms = sorted(stats["times_ms"][pod][1] - gone for pod, gone in watch.gone_ms.items()
                    if pod in stats["times_ms"])
    record_property("deleted", len(lag_ms))
    record_property("last_answer_after_ms", str([round(one) for one in lag_ms]))
    assert len(lag_ms) >= 10, "nothing was tested"
    assert lag_ms[-1] <= 1000
    for pod in watch.ready_ms.keys() - began:
        if pod in stats["times_ms"]:
            # The watch of discovery may have heard it before ours.
            assert stats["times_ms"][pod][0] >= watch.ready_ms[pod] - 250, pod


# ---- what happens to discovery ----

def test_discovery_that_is_killed_disturbs_nobody(namespace, images):
    client = start_outbound(namespace, 3)
    os.kill(find_process(namespace, client, {"discover"}), signal.SIGKILL)
    scale(namespace, 5)
    eventually(lambda: restarts(namespace, client) == {"app": 0, "remora": 0, "remora-discover": 1},
               60, "it alone is started again")
    expect_backends(namespace, client, 60)
    expect_no_failures(namespace, client)


def test_a_thousand_endpoints_in_slices_with_duplicates(namespace, images):
    """10 slices of a hundred each, and two that name two hundred of them again."""
    client = start_outbound(namespace, 2, f"--service={namespace.name}/many:http")
    addresses = [f"10.244.{200 + i // 250}.{1 + i % 250}" for i in range(MANY)]
    parts = [addresses[i:i + PER_SLICE] for i in range(0, MANY, PER_SLICE)]
    parts += [addresses[50:150], addresses[550:650]]
    slices = [{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
               "metadata": {"name": f"many-{i}", "labels": {"kubernetes.io/service-name": "many"}},
               "addressType": "IPv4", "ports": [{"name": "http", "port": 8080}],
               "endpoints": [{"addresses": [one], "conditions": {"ready": True}} for one in part]}
              for i, part in enumerate(parts)]
    namespace.apply([{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "many"},
                      "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]}},
                     *slices])

    def count():
        metrics = namespace.through(client, 3003, "/metrics").splitlines()
        [line] = [one for one in metrics if one.startswith("remora_discovery_servers ")]
        return int(line.split()[1])
    eventually(lambda: count() == MANY + 2, 60, "the sidecar has them all")
    namespace.kubectl("delete", "endpointslice", "many-3")
    # A hundred of a thousand is no mass removal.
    eventually(lambda: count() == MANY - PER_SLICE + 2, 60, "those of one slice go")
    expect_backends(namespace, client)
    expect_no_failures(namespace, client)


def pass_time(seconds):
    """Where the time itself is what is tested; nothing is waited for."""
    threading.Event().wait(seconds)


def api_server(action):
    """`stop`, `start` or `compact` (the history of etcd), done by the command of whoever runs us."""
    subprocess.run(f"{os.environ['REMORA_API_SERVER']} {action}", shell=True, check=True, timeout=60)


@pytest.mark.skipif("REMORA_API_SERVER" not in os.environ,
                    reason="REMORA_API_SERVER names no command that stops and starts it")
def test_an_api_server_that_is_away_for_a_minute_disturbs_nobody(namespace, images):
    client = start_outbound(namespace, 3)
    api_server("stop")
    try:
        pass_time(60)
    finally:
        api_server("start")
    eventually(lambda: namespace.kubectl("get", "--raw", "/readyz", check=False).returncode == 0, 60,
               "it is back")
    api_server("compact")
    scale(namespace, 5, 120)  # the controllers of Kubernetes come back only after a while
    expect_backends(namespace, client, 60)
    expect_no_failures(namespace, client)


@pytest.mark.skipif("REMORA_SLOW_CLUSTER_TESTS" not in os.environ,
                    reason="takes 11 minutes: set REMORA_SLOW_CLUSTER_TESTS")
def test_a_token_that_has_ended_is_replaced(namespace, images):
    client = start_outbound(namespace, 2, token_seconds=600)
    pass_time(620)  # the life of the token that discovery began with
    scale(namespace, 4)
    expect_backends(namespace, client)
    expect_no_failures(namespace, client)
    assert restarts(namespace, client) == {"app": 0, "remora": 0, "remora-discover": 0}
