"""What the tests do with a cluster: kubectl, namespaces of their own, overlays with other images."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "e2e"))
from peers import wait  # noqa: E402  (what both kinds of tests use is there)

KUBERNETES = ROOT / "deploy" / "kubernetes"
IMAGE = "remora:test"
NEXT_IMAGE = "remora:test-next"  # the same under another name: what a new version looks like
PEER = "remora-peer:test"
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted"
              for mode in ("enforce", "warn", "audit")}


def kubectl(*words, text=None, check=True, timeout=120):
    """The finished process; a failure shows what kubectl said."""
    run = subprocess.run(["kubectl", *words], input=text, capture_output=True, text=True,
                         timeout=timeout, check=False)
    assert not check or run.returncode == 0, f"kubectl {' '.join(words)}:\n{run.stderr}{run.stdout}"
    return run


def eventually(condition, timeout, what):
    """The first true value of condition(), which asks the API server; see peers/wait.py."""
    return wait.eventually(condition, timeout, what, pause_s=0.1)


def build(overlay, namespace, patches=(), images=None, config=None):
    """The objects of an overlay as the tests use it, a list of maps.

    patches: (kind/name, JSON patch) each. config: another config.yaml.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = {
            "resources": [os.path.relpath(KUBERNETES / "overlays" / overlay,
                                          os.path.realpath(folder))],
            "namespace": namespace,
            "images": [{"name": "remora", "newTag": (images or IMAGE).rpartition(":")[2]}],
            "patches": [{"target": dict(zip(("kind", "name"), target.split("/"))),
                         "patch": json.dumps(patch)} for target, patch in patches],
        }
        (pathlib.Path(folder) / "kustomization.yaml").write_text(json.dumps(made))
        text = kubectl("kustomize", folder).stdout
    objects = [one for one in yaml.safe_load_all(text) if one]
    if config is not None:
        for one in objects:
            if one["kind"] == "ConfigMap":
                one["data"]["config.yaml"] = yaml.safe_dump(config)
    return objects


def pod_template(one):
    return one["spec"]["template"]["spec"]


def containers(one):
    """All of a workload by name, native sidecars included."""
    spec = pod_template(one)
    return {c["name"]: c for c in spec.get("initContainers", []) + spec["containers"]}


def restricted():
    return {"runAsNonRoot": True, "runAsUser": 65532, "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"}}


def peer_container(*arguments, **more):
    return {"name": "app", "image": PEER, "args": [str(word) for word in arguments],
            "env": [{"name": "POD_NAME",
                     "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
            "securityContext": restricted(), **more}


def pod(name, container, **spec):
    """A pod that the tests add beside an overlay; it ends at once when it is deleted."""
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name}},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **spec}}


class Namespace:
    """A namespace of one test, which enforces `restricted`."""

    def __init__(self, name):
        self.name = name
        self.apply([{"apiVersion": "v1", "kind": "Namespace",
                     "metadata": {"name": name, "labels": RESTRICTED}}])

    def kubectl(self, *words, **more):
        return kubectl("--namespace", self.name, *words, **more)

    def apply(self, objects, *flags):
        text = yaml.safe_dump_all(objects)
        return kubectl("--namespace", self.name, "apply", "-f", "-", *flags, text=text)

    def get(self, *words):
        return json.loads(self.kubectl("get", "-o", "json", *words).stdout)

    def pods(self, name):
        """The pods of an application that are not being deleted."""
        found = self.get("pods", "-l", f"app.kubernetes.io/name={name}")["items"]
        return [one for one in found if "deletionTimestamp" not in one["metadata"]]

    def pod_names(self, name):
        return {one["metadata"]["name"] for one in self.pods(name)}

    def wait_rollout(self, what, timeout=120):
        run = self.kubectl("rollout", "status", what, f"--timeout={timeout}s", check=False,
                           timeout=timeout + 30)
        assert run.returncode == 0, f"{run.stderr}\n{self.why()}"

    def wait_pod(self, name, timeout=60):
        run = self.kubectl("wait", "--for=condition=Ready", f"pod/{name}", f"--timeout={timeout}s",
                           check=False, timeout=timeout + 30)
        assert run.returncode == 0, f"{run.stderr}\n{self.why()}"

    def through(self, pod_name, port, path):
        """GET over the API server's proxy, which leads to every pod of every cluster."""
        return self.kubectl("get", "--raw",
                            f"/api/v1/namespaces/{self.name}/pods/{pod_name}:{port}/proxy{path}"
                            ).stdout

    def stats(self, pod_name):
        """What a `peer load` has counted."""
        return json.loads(self.through(pod_name, 8090, "/stats"))

    def mark(self, pod_name):
        self.through(pod_name, 8090, "/mark")

    def why(self):
        """What one wants to read when a pod does not start."""
        text = self.kubectl("get", "pods", "-o", "wide", check=False).stdout
        text += self.kubectl("get", "events", "--sort-by=.lastTimestamp", check=False).stdout
        for one in self.get("pods")["items"]:
            name, status = one["metadata"]["name"], one["status"]
            both = status.get("initContainerStatuses", []) + status.get("containerStatuses", [])
            for container in both:
                text += f"{name} {container['name']}: {json.dumps(container['state'])}\n"
            # Not every cluster's API server reaches its nodes by name, so there may be none.
            text += self.kubectl("logs", name, "--all-containers", "--tail=15", "--prefix",
                                 check=False).stdout
        return text

    def delete(self):
        kubectl("delete", "namespace", self.name, "--wait=false", "--ignore-not-found")


def load_image(tar):
    """Makes the image known to the nodes with the command that the environment names."""
    command = os.environ.get("REMORA_LOAD_IMAGE")
    assert command, ("set REMORA_LOAD_IMAGE to the command that makes an image known to the nodes, "
                     "such as 'kind load image-archive' or 'minikube image load'")
    run = subprocess.run(f"{command} {tar}", shell=True, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{command} {tar}:\n{run.stderr}{run.stdout}"
