"""The proxies as processes on loopback, each set up as its own documentation advises for speed.

The choices that matter for fairness are explained in tests/bench/README.md.
"""
import http.client
import json
import os
import pathlib
import shutil
import threading
import time

from .system import HOST, BenchError, free_port, pause, spawn, stop, tree

HAPROXY = """
global
  nbthread {workers}
  maxconn 9800
defaults
  mode http
  maxconn 9800
  timeout connect 1s
  timeout client 1m
  timeout server 1m
  timeout http-keep-alive 1m
  option http-keep-alive
  option forwardfor
  http-reuse always
frontend front
  bind {host}:{port} backlog 16384
  default_backend backends
backend backends
  balance leastconn
{servers}
"""

NGINX = """
daemon off;
user root;
worker_processes {workers};
worker_rlimit_nofile 20000;
pid {home}/nginx.pid;
error_log {home}/error.log crit;
events {{ worker_connections 19900; }}
http {{
  access_log off;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  client_max_body_size 0;
  client_body_buffer_size 128k;
  keepalive_requests 1000000000;
  keepalive_timeout 60s;
  upstream backends {{
    least_conn;
{servers}
    keepalive {keepalive};
    keepalive_requests 1000000000;
  }}
  server {{
    listen {host}:{port} backlog=16384 reuseport;
    location / {{
      proxy_pass http://backends;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"""


class Running:
    """A proxy that serves."""

    def __init__(self, kind, process, port, admin=None):
        self.kind = kind
        self.process = process
        self.port = port
        self.admin = admin
        self.logged = [0]

    def pids(self):
        return tree(self.process.pid)

    def stop(self):
        stop(self.process)


def answers(port, path="/"):
    try:
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        connection.request("GET", path)
        status = connection.getresponse().status
        connection.close()
        return status == 200
    except (OSError, http.client.HTTPException):
        return False


def wait_until(condition, process, what, limit=30):
    deadline = time.monotonic() + limit
    while not condition():
        if process.poll() is not None:
            raise BenchError(f"{what} ended at its start with {process.returncode}")
        if time.monotonic() > deadline:
            raise BenchError(f"{what} does not answer")
        pause(0.001)


def drain(stream, counter):
    """Takes what a process writes without looking at it."""
    with open(os.devnull, "wb") as nowhere:
        while taken := os.splice(stream.fileno(), nowhere.fileno(), 1 << 20):
            counter[0] += taken


class Starter:
    """Starts proxies; `paths` has the executable of each kind."""

    def __init__(self, paths, home, cpus=None):
        self.paths = paths
        self.home = pathlib.Path(home)
        self.cpus = cpus
        self.count = 0

    def start(self, kind, ports, workers, pinned=True):
        """Returns once the proxy serves; all its servers are known to be up then."""
        begin = {"floor": self._floor, "haproxy": self._haproxy, "nginx": self._nginx,
                 "envoy": self._envoy, "remora": self._remora, "remora-log": self._remora}[kind]
        self.count += 1
        folder = self.home / f"{self.count}-{kind}"
        folder.mkdir()
        return begin(kind, folder, ports, workers, self.cpus if pinned else None)

    def _floor(self, kind, _folder, ports, workers, cpus):
        process = spawn([self.paths["floor"], str(ports[0]), str(workers)], cpus, stdout=-1)
        return Running(kind, process, int(process.stdout.readline()))

    def _serve(self, kind, command, port, cpus, folder):
        with open(folder / "output", "w", encoding="utf-8") as output:
            process = spawn(command, cpus, stdout=output, stderr=output)
        try:
            wait_until(lambda: answers(port), process, kind)
        except BenchError as error:
            stop(process)
            raise BenchError(f"{error}:\n{(folder / 'output').read_text()[-2000:]}") from error
        return Running(kind, process, port)

    def _haproxy(self, kind, folder, ports, workers, cpus):
        port = free_port()
        servers = "\n".join(f"  server s{i} {HOST}:{to}" for i, to in enumerate(ports))
        config = folder / "haproxy.cfg"
        config.write_text(HAPROXY.format(workers=workers, host=HOST, port=port, servers=servers))
        command = [self.paths[kind], "-db", "-q", "-f", str(config)]
        return self._serve(kind, command, port, cpus, folder)

    def _nginx(self, kind, folder, ports, workers, cpus):
        port = free_port()
        servers = "\n".join(f"    server {HOST}:{to};" for to in ports)
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(workers=workers, home=folder, host=HOST, port=port,
                                       servers=servers, keepalive=max(256, 2 * len(ports))))
        command = [self.paths[kind], "-p", str(folder), "-e", str(folder / "error.log"),
                   "-c", str(config)]
        return self._serve(kind, command, port, cpus, folder)

    def _envoy(self, kind, folder, ports, workers, cpus):
        port = free_port()
        config = folder / "envoy.json"
        config.write_text(json.dumps(envoy_config(port, ports)))
        command = [self.paths[kind], "-c", str(config), "--concurrency", str(workers),
                   "--log-level", "error", "--disable-hot-restart"]
        return self._serve(kind, command, port, cpus, folder)

    def _remora(self, kind, folder, ports, workers, cpus):
        process = self.launch_remora(kind, folder, ports, workers, cpus, stdout=-1, stderr=-1)
        logged = [0]
        threading.Thread(target=drain, args=(process.stdout, logged), daemon=True).start()
        found, active, errors = {}, 0, []
        while active < len(ports) or len(found) < 2:
            line = process.stderr.readline()
            if not line:
                raise BenchError(f"remorad ended at its start: {errors}")
            event = json.loads(line)
            if event["msg"] == "listening" and event["socket"] != "control":
                found[event["socket"]] = int(event["address"].rsplit(":", 1)[1])
            active += event["msg"] == "event" and event.get("to") == "ACTIVE"
            if event["level"] != "info":
                errors.append(line)
        threading.Thread(target=process.stderr.read, daemon=True).start()
        running = Running(kind, process, found["data"], found["admin"])
        running.logged = logged
        wait_until(lambda: answers(found["admin"], "/readyz"), process, kind)
        return running

    def launch_remora(self, kind, folder, ports, workers, cpus=None, data=0, admin=0, **streams):
        config = folder / "remora.yaml"
        config.write_text(json.dumps({
            "workers": workers,
            "listeners": [{"address": f"{HOST}:{data}"}],
            "servers": [f"http://{HOST}:{to}" for to in ports],
            "control": {"address": f"unix:{folder}/control.sock"},
            "admin": {"address": f"{HOST}:{admin}"},
            "log": {"format": "json", "access": {"enabled": kind == "remora-log"}},
            "shutdown": {"delay": "0s", "deadline": "2s"},
        }))
        return spawn([self.paths["remora"], "--config", str(config)], cpus, **streams)


def envoy_config(port, ports):
    extensions = "type.googleapis.com/envoy.extensions.filters"
    address = lambda to: {"socket_address": {"address": HOST, "port_value": to}}  # noqa: E731
    manager = {
        "@type": f"{extensions}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "codec_type": "HTTP1",
        "use_remote_address": True,
        "route_config": {"virtual_hosts": [{
            "name": "all", "domains": ["*"],
            "routes": [{"match": {"prefix": "/"},
                        "route": {"cluster": "backends", "timeout": "0s"}}]}]},
        "http_filters": [{"name": "envoy.filters.http.router",
                          "typed_config": {"@type": f"{extensions}.http.router.v3.Router"}}],
    }
    limit = 20000
    cluster = {
        "name": "backends", "type": "STATIC", "lb_policy": "LEAST_REQUEST", "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [{"max_connections": limit, "max_requests": limit,
                                             "max_pending_requests": limit}]},
        "load_assignment": {"cluster_name": "backends", "endpoints": [{
            "lb_endpoints": [{"endpoint": {"address": address(to)}} for to in ports]}]},
    }
    listener = {
        "name": "front", "address": address(port),
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def find_peers(kinds, without):
    """The executables of other proxies; says what to install for one that is missing."""
    packages = {"haproxy": "haproxy", "nginx": "nginx-light"}
    paths = {}
    for kind in kinds:
        if kind in without or kind not in packages:
            continue
        path = shutil.which(kind, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if not path:
            raise BenchError(f"{kind} is missing: install {packages[kind]} "
                             f"(deploy/install-packages bench), or leave it out with --without {kind}")
        paths[kind] = path
    return paths
