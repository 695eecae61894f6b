"""tests/clients/scenario.json, played by generated clients of three languages to a live remorad."""
import base64
import copy
import json
import os
import shutil
import subprocess
import sys
import tempfile

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROTO = os.path.join(ROOT, "proto")
CLIENTS = os.path.join(ROOT, "tests", "clients")
CONTROL = "remora/v1/control.proto"

with open(os.path.join(CLIENTS, "scenario.json"), encoding="utf-8") as scenario_file:
    SCENARIO = json.load(scenario_file)


@pytest.fixture(scope="session")
def generated():
    directory = tempfile.mkdtemp(prefix="remora-clients-")
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


# ---- how each client is made: the command that runs it, without the target ----

def python_client(generated):
    out = os.path.join(generated, "python")
    os.mkdir(out)
    subprocess.run(["protoc", f"-I{PROTO}", f"--python_out={out}", f"--grpc_out={out}",
                    "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin", CONTROL], check=True)
    return [sys.executable, os.path.join(CLIENTS, "client.py"), out], {}


def node_client(generated):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node is installed")
    modules = os.pathsep.join(filter(None, [
        os.environ.get("NODE_PATH"), os.path.join(ROOT, "build", "tools", "node", "node_modules")]))
    env = {"NODE_PATH": modules}
    probe = subprocess.run([node, "-e", "require('@grpc/grpc-js'); require('@grpc/proto-loader')"],
                           env={**os.environ, **env}, capture_output=True, timeout=60)
    if probe.returncode != 0:
        pytest.skip("node has no @grpc/grpc-js and @grpc/proto-loader: tests/clients/README.md")
    return [node, os.path.join(CLIENTS, "client.js"), PROTO], env


def go_client(generated):
    go, sources = shutil.which("go"), "/usr/share/gocode/src"
    plugin = shutil.which("protoc-gen-go")
    needed = ["google.golang.org/grpc", "github.com/golang/protobuf/jsonpb"]
    if go is None or plugin is None:
        pytest.skip("no go, or no protoc-gen-go, is installed")
    if not all(os.path.isdir(os.path.join(sources, package)) for package in needed):
        pytest.skip("the Go packages of Debian 12 are missing: tests/clients/README.md")
    path = os.path.join(generated, "go")
    out = os.path.join(path, "src")
    os.makedirs(os.path.join(out, "client"))
    options = ["plugins=grpc", f"M{CONTROL}=remora/v1"]
    options += [f"Mgoogle/protobuf/{name}.proto=github.com/golang/protobuf/ptypes/{name}"
                for name in ("duration", "timestamp")]
    options.append("Mgoogle/protobuf/field_mask.proto=google.golang.org/genproto/protobuf/field_mask")
    made = subprocess.run(["protoc", f"-I{PROTO}", f"--go_out={','.join(options)}:{out}", CONTROL],
                          capture_output=True, text=True)
    if "plugins are not supported" in made.stderr:
        pytest.skip("protoc-gen-go is newer than 1.3, which Debian's Go packages go with")
    assert made.returncode == 0, made.stderr
    shutil.copy(os.path.join(CLIENTS, "client.go"), os.path.join(out, "client"))
    program = os.path.join(path, "client")
    env = {**os.environ, "GO111MODULE": "off", "GOPATH": f"{path}:/usr/share/gocode", "GOFLAGS": "",
           "GOTOOLCHAIN": "local", "GOPROXY": "off"}
    built = subprocess.run([go, "build", "-o", program, "client"], env=env, capture_output=True,
                           text=True, timeout=300)
    assert built.returncode == 0, built.stderr
    return [program], {}


MAKERS = {"python": python_client, "node": node_client, "go": go_client}


# ---- one step ----

def filled_in(request, saved):
    return {key: saved[value[1:]] if isinstance(value, str) and value.startswith("$") else value
            for key, value in request.items()}


def differences(expected, got, where="response"):
    """What `got` lacks; it may have more fields. 64-bit numbers are texts in JSON."""
    if isinstance(expected, dict):
        if not isinstance(got, dict):
            return [f"{where}: {got!r} is no message"]
        return [text for key, value in expected.items()
                for text in differences(value, got.get(key), f"{where}.{key}")]
    if isinstance(expected, list):
        if not isinstance(got, list) or len(got) != len(expected):
            return [f"{where}: {got!r} has not {len(expected)} elements"]
        return [text for number, value in enumerate(expected)
                for text in differences(value, got[number], f"{where}[{number}]")]
    return [] if got == expected else [f"{where}: {got!r}, not {expected!r}"]


def reason_and_fields(details, protos):
    status = protos["status"].Status.FromString(base64.b64decode(details))
    reason, fields = None, []
    for detail in status.details:
        info, bad = protos["details"].ErrorInfo(), protos["details"].BadRequest()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(bad):
            fields = [violation.field for violation in bad.field_violations]
    return reason, fields


def problems_of(step, result, protos):
    if result["code"] != step.get("code", "OK"):
        return [f"code {result['code']}: {result.get('message')}"]
    if result["code"] == "OK":
        return differences(step["response"], result["response"])
    reason, fields = reason_and_fields(result["details"], protos)
    problems = differences({"reason": step["reason"], "fields": sorted(step.get("fields", []))},
                           {"reason": reason, "fields": sorted(fields)}, "details")
    return problems if result["message"] else [*problems, "the error has no message"]


def play(command, env, target, scenario, protos):
    """The problems, each with the name of its step."""
    client = subprocess.Popen([*command, target], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env={**os.environ, **env}, text=True)
    saved, problems = {}, []
    with client:
        for step in scenario:
            request = {"rpc": step["rpc"], "request": filled_in(step["request"], saved)}
            client.stdin.write(json.dumps(request) + "\n")
            client.stdin.flush()
            line = client.stdout.readline()
            assert line, f"the client ended in step {step['name']!r}"
            result = json.loads(line)
            problems += [f"{step['name']}: {text}" for text in problems_of(step, result, protos)]
            for name, field in step.get("save", {}).items():
                saved[name] = result["response"][field]
        client.stdin.close()
        assert client.wait(20) == 0
    return problems


# ---- the tests ----

@pytest.mark.parametrize("language", MAKERS)
def test_scenario(language, generated, remora, protos):
    command, env = MAKERS[language](generated)
    daemon = remora(pool={"health_check": {"probe": "tcp"}})
    assert play(command, env, daemon.control_target, SCENARIO, protos) == []


def test_every_rpc_is_called(protos):
    methods = protos["pb"].DESCRIPTOR.services_by_name["Control"].methods
    assert {step["rpc"] for step in SCENARIO} == {method.name for method in methods}


def test_what_is_wrong_is_seen():
    step = next(step for step in SCENARIO if step["name"] == "add")
    right = {"code": "OK", "response": copy.deepcopy(step["response"])}
    assert problems_of(step, right, None) == []
    right["response"]["server"]["spec"]["labels"]["zone"] = "e"
    assert problems_of(step, right, None) == ["response.server.spec.labels.zone: 'e', not 'é 日本'"]
    assert problems_of(step, {"code": "UNAVAILABLE", "message": "x"}, None) == ["code UNAVAILABLE: x"]
    listed = next(step for step in SCENARIO if step["name"] == "the first page")
    empty = {"code": "OK", "response": {"servers": []}}
    assert problems_of(listed, empty, None) == ["response.servers: [] has not 1 elements"]
