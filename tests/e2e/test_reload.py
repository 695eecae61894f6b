"""The configuration is read again on SIGHUP and when its file changes; only servers change."""
import json
import os
import signal

from peers.daemon import Daemon, binary, default_config, is_sanitized, write_config
from peers.http import Connection, fetch
from peers.traffic import Traffic
from peers.wait import eventually


def config_path(daemon):
    return os.path.join(daemon.directory, "config.yaml")


def replace_config(daemon, text):
    """In one step, as editors do."""
    path = config_path(daemon)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def configure(daemon, servers, **more):
    replace_config(daemon, json.dumps({**default_config(servers), **more}))


def reloads(daemon, message="configuration reloaded", **fields):
    return [event for event in list(daemon.events) if event.get("msg") == message
            and all(event.get(key) == value for key, value in fields.items())]


def reload_by_signal(daemon, message="configuration reloaded"):
    before = len(reloads(daemon, message, cause="SIGHUP"))
    daemon.signal(signal.SIGHUP)
    eventually(lambda: len(reloads(daemon, message, cause="SIGHUP")) > before)
    return reloads(daemon, message, cause="SIGHUP")[-1]


def ids(daemon):
    return [server.id for server in daemon.control.list()]


def config_check(daemon):
    lines = fetch(daemon.admin, target="/readyz?verbose").body.decode().splitlines()
    return next(line for line in lines if "config" in line)


# ---- what makes it read again -------------------------------------------------------------------


def test_sighup_takes_servers_in_and_out(remora, backend):
    one, two, three = backend("a"), backend("b"), backend("c")
    daemon = remora([{"id": "a", "url": one.url}, {"id": "b", "url": two.url}])
    kept = daemon.control.get("a").uid
    configure(daemon, [{"id": "a", "url": one.url}, {"id": "c", "url": three.url}])
    reload_by_signal(daemon)
    assert ids(daemon) == ["a", "c"]
    assert daemon.control.get("a").uid == kept
    daemon.wait_ready_servers(2)
    assert {fetch(daemon.data).json()["backend"] for _ in range(4)} == {"a", "c"}


def test_an_edit_in_place_is_seen_without_a_signal(remora, backend):
    one, two = backend("a"), backend("b")
    daemon = remora([{"id": "a", "url": one.url}])
    write_config(daemon.directory, default_config([{"id": "b", "url": two.url}]))
    eventually(lambda: ids(daemon) == ["b"])
    event = daemon.wait_event("configuration reloaded", cause="file")
    assert event["changes"] == "removed default/a, added default/b"


def test_a_file_that_is_replaced_is_seen_again_and_again(remora):
    daemon = remora([{"id": "s0", "url": "http://127.0.0.1:1"}], wait_active=False)
    for i in range(1, 4):
        configure(daemon, [{"id": f"s{i}", "url": "http://127.0.0.1:1"}])
        eventually(lambda i=i: ids(daemon) == [f"s{i}"])


def test_the_symlink_swap_of_a_config_map_is_seen(protos, directory):
    """kubelet writes a new directory and renames `..data` onto it; config.yaml never changes."""
    mount = os.path.join(directory, "mount")

    def publish(version, text):
        os.makedirs(f"{mount}/..{version}")
        with open(f"{mount}/..{version}/config.yaml", "w", encoding="utf-8") as file:
            file.write(text)
        os.symlink(f"..{version}", f"{mount}/..data_tmp")
        os.rename(f"{mount}/..data_tmp", f"{mount}/..data")

    publish("v1", "servers: [{id: one, url: \"127.0.0.1:1\"}]\n")
    os.symlink("..data/config.yaml", f"{mount}/config.yaml")
    daemon = Daemon(directory, protos, [
        "--config", f"{mount}/config.yaml", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
        "--control", f"unix:{directory}/c.sock", "--log-format", "json", "--shutdown-delay", "0s"])
    try:
        daemon.start()
        for version, name in (("v2", "two"), ("v3", "three")):
            publish(version, f"servers: [{{id: {name}, url: \"127.0.0.1:1\"}}]\n")
            eventually(lambda name=name: ids(daemon) == [name])
        daemon.stop()
    finally:
        daemon.kill()


def test_other_files_in_the_directory_are_passed_over(remora):
    daemon = remora(flags=["--log-level", "debug"])
    same = "the configuration file is the same"
    eventually(lambda: reloads(daemon, same))  # it looks once at the start
    before = len(reloads(daemon, same))
    with open(os.path.join(daemon.directory, "other"), "w", encoding="utf-8") as file:
        file.write("x")
    eventually(lambda: len(reloads(daemon, same)) > before)
    assert reloads(daemon) == []


# ---- what stays ---------------------------------------------------------------------------------


def test_a_server_of_the_api_survives_and_another_weight_keeps_the_backend(remora, backend):
    one, two = backend("a"), backend("b")
    gate = one.gate()

    async def hold(exchange):
        await gate.wait()
        await exchange.answer(200, [], b"finished")
    one.handler = hold
    daemon = remora([{"id": "a", "url": one.url}])
    before = daemon.control.get("a")
    with Connection(daemon.data) as busy:
        busy.send_request("GET", "/")
        gate.await_arrivals()
        daemon.control.add(two.url, id="mine")
        configure(daemon, [{"id": "a", "url": one.url, "weight": 7}])
        reload_by_signal(daemon)
        after = daemon.control.get("a")
        assert (after.uid, after.spec.weight) == (before.uid, 7)
        assert after.status.state == daemon.control.pb.ServerStatus.ACTIVE
        assert after.status.active_requests == 1
        assert ids(daemon) == ["a", "mine"]
        gate.open()
        assert busy.read_response().status == 200
    configure(daemon, [])
    reload_by_signal(daemon)
    assert ids(daemon) == ["mine"]


def test_other_settings_are_named_and_wait_for_a_restart(remora, backend):
    one = backend()
    daemon = remora([one.url])
    with Connection(daemon.data) as open_before:
        assert open_before.get("/").status == 200
        configure(daemon, [one.url], listeners=[{"address": "127.0.0.1:1"}],
                  admin={"address": "0.0.0.0:1"},
                  shutdown={"delay": "0s", "deadline": "11s"})
        event = reload_by_signal(daemon)
        # --listen and --admin still win over the file.
        assert event["need_restart"] == "1"
        told = daemon.wait_event("changed settings need a restart and are not in effect")
        assert told["settings"] == "shutdown.deadline"
        assert open_before.get("/").status == 200, "the same connection goes on"
    assert fetch(daemon.data).status == 200, "so does the listener"


def test_a_bad_file_changes_nothing_and_says_so_until_it_is_mended(remora):
    daemon = remora([{"id": "a", "url": "http://127.0.0.1:1"}], wait_active=False)
    assert config_check(daemon) == "[+]config ok"
    replace_config(daemon, "servers: [\"http://127.0.0.1:2\"]\nworkers: many\nlgo: 1\n")
    event = daemon.wait_event("configuration not reloaded, nothing has changed", cause="file")
    assert "config.yaml:2:10: workers: 'many'" in event["problems"]
    assert "config.yaml:3:1: lgo: unknown key; did you mean 'log'?" in event["problems"]
    assert ids(daemon) == ["a"]
    answer = fetch(daemon.admin, target="/readyz?verbose")
    assert answer.status == 200, "it serves with what it had"
    assert config_check(daemon).startswith("[!]config failed: the last reload changed nothing: ")
    assert fetch(daemon.admin, target="/readyz").body == b"ok\n"
    os.unlink(config_path(daemon))
    event = reload_by_signal(daemon, "configuration not reloaded, nothing has changed")
    assert "No such file" in event["problems"]
    assert ids(daemon) == ["a"]
    configure(daemon, [{"id": "b", "url": "http://127.0.0.1:1"}])
    eventually(lambda: ids(daemon) == ["b"])
    eventually(lambda: config_check(daemon) == "[+]config ok")


def test_the_servers_of_the_demo_survive_a_reload(protos, directory):
    path = write_config(directory, {})
    daemon = Daemon(directory, protos, [
        "--demo", "--config", path, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
        "--control", f"unix:{directory}/c.sock", "--log-format", "json", "--shutdown-delay", "0s"])
    try:
        daemon.start()
        before = [(server.id, server.uid) for server in daemon.control.list()]
        assert len(before) == 3
        reload_by_signal(daemon)
        assert [(server.id, server.uid) for server in daemon.control.list()] == before
        daemon.stop()
    finally:
        daemon.kill()


# ---- under load ---------------------------------------------------------------------------------


def test_no_request_fails_while_servers_come_go_and_change(remora, nginx, directory):
    count = int(os.environ.get("REMORA_E2E_RELOADS", "200" if is_sanitized(
        binary("REMORAD", "remorad")) else "1000"))
    urls = dict(zip("abc", nginx("a", more=("b", "c")).urls))
    daemon = remora([{"id": name, "url": url} for name, url in urls.items()], workers=2)
    variants = [
        [{"id": name, "url": urls[name], "weight": weight} for name, weight in wanted.items()]
        for wanted in ({"a": 1, "b": 1}, {"a": 2, "b": 1, "c": 1}, {"a": 1, "c": 3},
                       {"a": 1, "b": 5, "c": 1})]
    with Traffic(daemon.data, clients=4, target="/name") as traffic:
        for i in range(count):
            configure(daemon, variants[i % len(variants)])
            reload_by_signal(daemon)
    print(f"{count} reloads in {traffic.seconds:.1f} s, {traffic.total} requests")
    assert traffic.failures == []
    assert traffic.total > count
    assert len(reloads(daemon, cause="SIGHUP")) == count
    assert ids(daemon)[0] == "a"
