"""What remorad says of its configuration: --validate, --print-config and the JSON Schema."""
import json
import os
import subprocess

import pytest

from peers.daemon import binary

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLE = os.path.join(ROOT, "deploy", "config.example.yaml")
BAD_FILES = os.path.join(ROOT, "tests", "unit", "server", "bad_config_files.yaml")


def remorad(*arguments, env=None, cwd=None):
    return subprocess.run([binary("REMORAD", "remorad"), *arguments], capture_output=True,
                          text=True, timeout=20, env={**os.environ, **(env or {})}, cwd=cwd)


def write(directory, text):
    path = os.path.join(directory, "c.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def test_print_config_says_where_each_value_came_from(directory):
    write(directory, "workers: 2\nlog: {level: warn}\nservers:\n  - http://127.0.0.1:9001\n")
    run = remorad("--print-config", "--config", "c.yaml", "--admin", "127.0.0.1:4000",
                  env={"REMORA_SHUTDOWN_DELAY": "1s"}, cwd=directory)
    assert run.returncode == 0, run
    lines = [line.strip().removeprefix("- ") for line in run.stdout.splitlines()]
    for line in ("workers: 2  # c.yaml:1:10", "level: warn  # c.yaml:2:14",
                 "url: http://127.0.0.1:9001  # c.yaml:4:5",
                 "id: \"127-0-0-1-9001\"  # made from the url",
                 "address: \"127.0.0.1:4000\"  # --admin", "delay: 1s  # REMORA_SHUTDOWN_DELAY",
                 "deadline: 28s  # default"):
        assert line in lines, line
    assert all("  # " in line or line.endswith(":") for line in lines), run.stdout


def test_what_is_printed_is_a_valid_configuration_that_prints_the_same(directory):
    def values(text):
        return [line.partition("  # ")[0] for line in text.splitlines()]

    first = remorad("--print-config", "--config", EXAMPLE)
    again = remorad("--print-config", "--config", write(directory, first.stdout))
    assert (first.returncode, again.returncode) == (0, 0), again.stderr
    assert values(again.stdout) == values(first.stdout)


def test_a_wrong_configuration_is_not_printed(directory):
    run = remorad("--print-config", "--config", write(directory, "workers: x\n"))
    assert (run.returncode, run.stdout) == (78, "")
    assert "c.yaml:1:10: workers: 'x'" in run.stderr


def test_validate_tells_all_problems_at_once(directory):
    run = remorad("--validate", "--config", write(directory, "workers: x\nlog: {levle: a}\n"),
                  "--log-format", "yaml")
    assert run.returncode == 78
    assert len(run.stderr.splitlines()) == 3, run.stderr
    assert remorad("--validate", "--config", EXAMPLE).returncode == 0


def test_mutations_over_http_need_a_loopback_address():
    run = remorad("--validate", "--admin", "0.0.0.0:1", env={"REMORA_ADMIN_ALLOW_MUTATIONS": "true"})
    assert run.returncode == 78
    assert run.stderr.startswith("REMORA_ADMIN_ALLOW_MUTATIONS: admin.allow_mutations: true needs")


# ---- JSON Schema --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def yaml():
    return pytest.importorskip("yaml", reason="python3-yaml is not installed")


@pytest.fixture(scope="module")
def validator():
    jsonschema = pytest.importorskip("jsonschema", reason="python3-jsonschema is not installed")
    run = remorad("--print-schema")
    assert run.returncode == 0
    with open(os.path.join(ROOT, "deploy", "config.schema.json"), encoding="utf-8") as file:
        assert file.read() == run.stdout
    schema = json.loads(run.stdout)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def test_the_schema_takes_the_example_and_what_is_printed(validator, yaml):
    with open(EXAMPLE, encoding="utf-8") as file:
        text = file.read()
    lines = [line[1:] if line.startswith("#  ") else line for line in text.splitlines()]
    printed = remorad("--print-config").stdout
    for document in (text, "\n".join(lines), printed, "servers:\n  - http://127.0.0.1:9001\n"):
        assert list(validator.iter_errors(yaml.safe_load(document))) == []


def test_the_schema_refuses_what_remorad_refuses(validator, yaml):
    with open(BAD_FILES, encoding="utf-8") as file:
        table = yaml.safe_load(file)
    wrong = []
    for entry in table:
        try:
            refused = bool(list(validator.iter_errors(yaml.safe_load(entry["file"]))))
        except (yaml.YAMLError, RecursionError):
            refused = True
        if refused == (entry.get("schema") == "passes"):
            wrong.append(entry["file"])
    assert wrong == []
