"""Fixtures of the tests on a cluster, the one that KUBECONFIG names; without one they are skipped."""
import os
import secrets
import shutil
import subprocess

import pytest

from cluster import IMAGE, NEXT_IMAGE, PEER, ROOT, Namespace, kubectl, load_image

HERE = ROOT / "tests" / "kubernetes"
MAKE_IMAGE = ROOT / "deploy" / "docker" / "image"


@pytest.fixture(scope="session")
def kustomize():
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl")


@pytest.fixture(scope="session")
def cluster(kustomize):
    """One that is named but does not answer is a failure."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("no cluster")
    kubectl("get", "--raw", "/readyz")


@pytest.fixture(scope="session")
def namespaces(cluster):
    """All that were made; none is left behind."""
    made = []
    yield made
    for one in made:
        kubectl("wait", "--for=delete", f"namespace/{one.name}", "--timeout=90s", check=False)


@pytest.fixture
def namespace(namespaces):
    one = Namespace(f"remora-{secrets.token_hex(4)}")
    namespaces.append(one)
    yield one
    one.delete()


@pytest.fixture(scope="session")
def images(cluster, tmp_path_factory):
    """Ours, under two names, and that of the peer; known to the nodes."""
    folder = tmp_path_factory.mktemp("images")
    root = folder / "root"
    subprocess.run([ROOT / "deploy" / "docker" / "rootfs", root], check=True)
    peer = folder / "peer"
    peer.mkdir()
    subprocess.run(["clang++-19", "-std=c++23", "-O1", "-static", "-pthread", "-o", peer / "peer",
                    HERE / "peer" / "peer.cc"], check=True)
    for number, (name, files, more) in enumerate((
            (IMAGE, root, ()), (NEXT_IMAGE, root, ()),
            (PEER, peer, ("--dockerfile", HERE / "peer" / "Dockerfile")))):
        tar = folder / f"{number}.tar"
        subprocess.run([MAKE_IMAGE, "--name", name, "--root", files, *more, tar], check=True)
        load_image(tar)
