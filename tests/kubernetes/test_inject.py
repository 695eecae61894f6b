"""`remoractl inject`: an API server takes what it writes, in a namespace that enforces `restricted`."""
import json
import os
import re
import subprocess

import pytest
import yaml

from cluster import ROOT, kubectl, restricted

SHAPES = ROOT / "tests" / "unit" / "cli" / "inject"
# The last one has kinds that no API server knows.
NAMES = sorted(path.name.removesuffix(".in.yaml") for path in SHAPES.glob("*.in.yaml")
               if path.name != "other_kinds.in.yaml")
REMORACTL = os.environ.get("REMORACTL", ROOT / "build" / "release" / "bin" / "remoractl")


def inject(text, *flags):
    """Bytes in, bytes out: line ends are part of the matter."""
    run = subprocess.run([REMORACTL, "inject", "-f", "-", *flags], input=text, capture_output=True,
                         check=False)
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout


def pods(one):
    """The pod specs of an object, or of the items of a list."""
    if one["kind"] == "List":
        return [spec for item in one["items"] for spec in pods(item)]
    if one["kind"] == "Pod":
        return [one["spec"]]
    spec = one.get("spec", {})
    spec = spec.get("jobTemplate", one).get("spec", {})
    return [spec["template"]["spec"]] if "template" in spec else []


def harden(objects):
    """The applications in the files are not the matter: they get what `restricted` asks for."""
    for spec in (spec for one in objects for spec in pods(one)):
        for container in spec["containers"] + spec.get("initContainers", []):
            if not container["name"].startswith("remora"):
                container["securityContext"] = restricted()


def objects_of(text):
    """JSON is asked first: PyYAML takes no tabs."""
    try:
        return [json.loads(text)]
    except ValueError:
        return [one for one in yaml.safe_load_all(text) if one]


def count(objects):
    return sum(len(one.get("items", [one])) for one in objects)


def said(run):
    """What kubectl warns of, but for its own annotation, which a new namespace lacks."""
    return [line for line in run.stderr.splitlines() if "last-applied-configuration" not in line]


@pytest.fixture(scope="module")
def open_namespace(cluster):
    """One without any Pod Security: what the applications in the files need."""
    name = f"remora-inject-{os.getpid()}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def test_there_are_enough_shapes():
    assert len(NAMES) >= 12


@pytest.mark.parametrize("name", NAMES)
def test_the_api_server_takes_the_very_bytes(open_namespace, name):
    text = inject((SHAPES / f"{name}.in.yaml").read_bytes())
    run = subprocess.run(["kubectl", "--namespace", open_namespace, "apply", "--dry-run=server",
                          "-f", "-"], input=text, capture_output=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout.decode().count("server dry run") == count(objects_of(text))


@pytest.mark.parametrize("name", NAMES)
def test_a_restricted_namespace_takes_it_without_a_warning(namespace, name):
    objects = objects_of(inject((SHAPES / f"{name}.in.yaml").read_bytes()))
    harden(objects)
    run = namespace.apply(objects, "--dry-run=server")
    assert said(run) == []
    assert run.stdout.count("server dry run") == count(objects)


def test_an_application_that_is_not_restricted_is_all_that_is_complained_of(namespace):
    text = inject((SHAPES / "deployment.in.yaml").read_bytes(), "--discover", "backend:http")
    run = namespace.apply(objects_of(text), "--dry-run=server")
    warnings = " ".join(said(run))
    assert 'container "web"' in warnings
    assert not re.search(r'container[^(]*"remora', warnings), warnings


def test_what_is_deployed_reads_back_as_injected(namespace):
    """A manifest from the cluster, with all its defaults, gets the present template, and is sound."""
    objects = objects_of(inject((SHAPES / "deployment.in.yaml").read_bytes()))
    harden(objects)
    objects[0]["spec"]["replicas"] = 0
    namespace.apply(objects)
    live = namespace.kubectl("get", "deployment", "web", "-o", "yaml").stdout.encode()
    again = inject(live)
    assert inject(again) == again
    namespace.kubectl("apply", "--dry-run=server", "-f", "-", text=again.decode())
