"""The applications that tests put into the overlays, and what can be said of them."""
import json

from cluster import eventually, peer_container

RATE = 200  # requests a second


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


def expect_no_failures(namespace, client):
    """From its first request on."""
    stats = namespace.stats(client)
    assert stats["failed"] == 0, json.dumps(stats, indent=1)
