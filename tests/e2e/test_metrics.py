"""What /metrics says is what the clients counted, to the request."""
import shutil
import subprocess

import pytest

from peers.http import fetch
from peers.wait import eventually


def scrape(daemon, accept=""):
    response = fetch(daemon.admin, target="/metrics",
                     headers=[("Accept", accept)] if accept else [])
    assert response.status == 200
    return response


def samples(text):
    values = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            assert name not in values, f"twice: {name}"
            values[name] = float(value)
    return values


def total(values, family, *labels):
    return sum(value for name, value in values.items()
               if name.split("{")[0] == family and all(label in name for label in labels))


async def answer(exchange):
    body = await exchange.read_body()
    fails = exchange.request.target == "/fails"
    await exchange.answer(500 if fails else 200, body=body or b"hello")


def test_the_numbers_are_those_of_the_clients(remora, backend):
    one, two = backend("a", answer), backend("b", answer)
    daemon = remora([one.url, two.url], workers=2)
    statuses = {"2xx": 0, "4xx": 0, "5xx": 0}
    for number in range(60):
        path = "/fails" if number % 10 == 0 else "/"
        body = b"x" * 10 if number % 3 == 0 else b""
        response = fetch(daemon.data, "POST" if body else "GET", path, body=body)
        statuses[f"{response.status // 100}xx"] += 1
    response = fetch(daemon.data, "TRACE")
    statuses[f"{response.status // 100}xx"] += 1

    def counted():
        values = samples(scrape(daemon).body.decode())
        return values if total(values, "remora_requests_total") == 61 else None

    # A request is counted when its answer has been sent, which its client may see before.
    values = eventually(counted)
    for code_class, count in statuses.items():
        assert total(values, "remora_requests_total", f'code_class="{code_class}"') == count
    assert total(values, "remora_requests_total", 'method="POST"') == 20
    assert total(values, "remora_requests_total", 'server=""') == 1
    assert total(values, "remora_request_duration_seconds_count") == 61
    assert total(values, "remora_server_picks_total") == 60
    assert total(values, "remora_upstream_duration_seconds_count") == 60
    assert total(values, "remora_bytes_total", 'direction="in"') == 200
    assert total(values, "remora_errors_total", 'reason="method_not_allowed"') == 1
    assert total(values, "remora_connections_total", 'side="downstream"') == 61
    assert total(values, "remora_server_state", 'state="ACTIVE"') == 2
    assert total(values, "remora_server_failures_total") == 0


def test_a_server_that_answers_nothing_is_a_failure_and_a_retry(remora, backend):
    one = backend("a", answer)
    daemon = remora([one.url], pool={"health_check": {"interval": "1h"}})
    one.stop()
    assert fetch(daemon.data).status == 502

    def counted():
        values = samples(scrape(daemon).body.decode())
        return values if total(values, "remora_errors_total") else None

    values = eventually(counted)
    assert total(values, "remora_errors_total", 'reason="connect_failed"') == 1
    assert total(values, "remora_server_failures_total") >= 1
    assert total(values, "remora_requests_total", 'code_class="5xx"', 'server="127') == 1
    # One request is one failure there, however it is told. Sampled every few seconds.
    control = daemon.control
    request = control.pb.ListServersRequest()
    eventually(lambda: control.call("ListServers", request).servers[0].status.requests_total, 15)
    assert control.call("ListServers", request).servers[0].status.failures_total == 1


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_promtool_finds_nothing_to_say(remora, backend, accept):
    if shutil.which("promtool") is None:
        pytest.skip("no promtool here")
    daemon = remora([backend("a", answer).url])
    fetch(daemon.data)
    response = scrape(daemon, accept)
    kind = "application/openmetrics-text" if accept else "text/plain; version=0.0.4"
    assert response.header("Content-Type").startswith(kind)
    if accept:  # promtool reads the other format only
        assert response.body.decode().endswith("# EOF\n")
        return
    done = subprocess.run(["promtool", "check", "metrics"], input=response.body.decode(), text=True,
                          capture_output=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
