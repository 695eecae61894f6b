"""The manifests as files, and what an API server says of them."""
import re

import pytest
import yaml

from cluster import KUBERNETES, ROOT, build, containers, pod_template

OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").iterdir()
                  if (path / "config.yaml").exists())
WORKLOADS = ("Deployment", "Job")


def workloads(overlay):
    return [one for one in build(overlay, "any") if one["kind"] in WORKLOADS]


def test_the_overlays_that_are_promised_are_there():
    assert OVERLAYS == ["exec", "inbound", "job", "outbound"]


def test_images_have_the_version_of_the_project():
    version = re.search(r"^project\(remora VERSION (\S+)",
                        (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE).group(1)
    found = set()
    for path in KUBERNETES.rglob("*.yaml"):
        found.update(re.findall(r"^\s*image: *(\S+)", path.read_text(), re.MULTILINE))
    assert found == {f"remora:{version}"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_is_bounded_and_restricted(kustomize, overlay):
    for workload in workloads(overlay):
        for name, container in containers(workload).items():
            assert {"cpu", "memory"} <= container["resources"]["limits"].keys(), name
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name
            context = container["securityContext"]
            assert context["runAsNonRoot"] and context["runAsUser"] == 65532, name
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_sidecar_knows_the_grace_period_of_its_pod(kustomize, overlay):
    sidecars = 0
    for workload in workloads(overlay):
        remora = containers(workload).get("remora")
        if remora:
            sidecars += 1
            env = {one["name"]: one.get("value") for one in remora["env"]}
            assert env["TERMINATION_GRACE_PERIOD_SECONDS"] == \
                str(pod_template(workload)["terminationGracePeriodSeconds"])
    assert sidecars == 1


@pytest.mark.parametrize("overlay", [name for name in OVERLAYS if name != "exec"])
def test_the_sidecar_starts_first_and_is_a_native_one(kustomize, overlay):
    for workload in workloads(overlay):
        first = pod_template(workload).get("initContainers", [])
        if first:
            assert first[0]["name"] == "remora"
            assert all(one["restartPolicy"] == "Always" for one in first)


def test_the_plain_container_is_the_same_as_the_native_sidecar(kustomize):
    def sidecar(overlay):
        return next(containers(one)["remora"] for one in workloads(overlay)
                    if "remora" in containers(one))
    native, plain = sidecar("job"), sidecar("exec")
    assert native.pop("restartPolicy") == "Always"
    assert native.pop("lifecycle") != plain.pop("lifecycle")
    assert native == plain


def test_discovery_may_look_at_endpoint_slices_and_at_nothing_else(kustomize):
    objects = build("outbound", "any")
    roles = [one for one in objects if "Role" in one["kind"] and "rules" in one]
    assert [(one["kind"], one["rules"]) for one in roles] == [("Role", [{
        "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"],
        "verbs": ["get", "list", "watch"]}])]
    app = next(one for one in objects if one["kind"] == "Deployment" and
               one["metadata"]["name"] == "app")
    assert pod_template(app)["automountServiceAccountToken"] is False
    with_token = [name for name, one in containers(app).items()
                  if any(mount["name"] == "remora-token" for mount in one["volumeMounts"])]
    assert with_token == ["remora-discover"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_api_server_takes_every_object_without_a_warning(namespace, overlay):
    run = namespace.apply(build(overlay, namespace.name), "--dry-run=server")
    # The namespace of the test was made by it, so kubectl misses its own annotation there.
    said = [line for line in run.stderr.splitlines() if "last-applied-configuration" not in line]
    assert said == []
    assert run.stdout.count("server dry run") == len(build(overlay, namespace.name))


def test_yaml_files_are_read_the_same_by_everybody():
    for path in KUBERNETES.rglob("*.yaml"):
        assert "\t" not in path.read_text(), path
        assert list(yaml.safe_load_all(path.read_text())), path
