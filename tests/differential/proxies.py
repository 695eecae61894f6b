"""The proxies as processes: each with a listening port and a backend for every lane, on loopback,
with nothing outside the folder that it is given, and ended by its pid.

All are plain HTTP/1.1 reverse proxies with connections that are kept on both sides. What is set
beside that serves the comparison only: nobody gives up a backend that has closed a connection, and
nginx and Apache leave the path as it is.
"""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from peers.wait import eventually  # noqa: E402

HOST = "127.0.0.1"

NGINX = """
daemon off;
master_process off;
worker_processes 1;
pid {home}/nginx.pid;
error_log {home}/error.log crit;
worker_rlimit_nofile 4096;
events {{ worker_connections 2048; }}
http {{
  access_log off;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  client_max_body_size 0;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  # A client that has half-closed still gets its answer.
  proxy_ignore_client_abort on;
{lanes}
}}
"""
NGINX_LANE = """
  upstream lane{index} {{ server {host}:{backend} max_fails=0; keepalive 8; }}
  server {{
    listen {host}:{port} backlog=1024;
    server_name h.test;
    location / {{ proxy_pass http://lane{index}; }}
  }}
"""

HAPROXY = """
global
  maxconn 2000
  nbthread 1
defaults
  mode http
  maxconn 2000
  timeout connect 2s
  timeout client 5s
  timeout server 5s
  option http-keep-alive
  http-reuse always
{lanes}
"""
HAPROXY_LANE = """
frontend front{index}
  bind {host}:{port}
  default_backend lane{index}
backend lane{index}
  server backend{index} {host}:{backend}
"""

APACHE = """
ServerRoot "{home}"
DefaultRuntimeDir "{home}"
PidFile "{home}/apache.pid"
ErrorLog "{home}/error.log"
LogLevel crit
ServerName h.test
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
StartServers 1
ServerLimit 1
ThreadsPerChild 64
MaxRequestWorkers 64
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 5
Timeout 5
MergeSlashes Off
{lanes}
"""
APACHE_LANE = """
Listen {host}:{port}
<VirtualHost {host}:{port}>
  ServerName h.test
  ProxyPreserveHost On
  # Otherwise it waits for a 100 of the backend, which sends none.
  Proxy100Continue Off
  AllowEncodedSlashes NoDecode
  ProxyPass "/" "http://{host}:{backend}/" nocanon retry=0
</VirtualHost>
"""
# Apache does not serve as root.
APACHE_USER = 'User "#65534"\nGroup "#65534"'
APACHE_MODULES = "/usr/lib/apache2/modules"


def free_ports(count):
    """Ports that nobody uses: all are held until the last is known."""
    probes = []
    try:
        for _ in range(count):
            probe = socket.socket()
            probes.append(probe)
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def listens(port):
    try:
        socket.create_connection((HOST, port), timeout=1).close()
        return True
    except OSError:
        return False


class Proxy:
    """One proxy. `version` is None where it is not installed."""

    name = ""
    package = ""
    binary = ""

    def __init__(self):
        self.version = self._version()
        self.home = ""
        self.ports = []
        self.process = None

    def _version(self):
        if not os.access(self.binary, os.X_OK):
            return None
        said = subprocess.run([self.binary, *self.ask_version], capture_output=True, text=True)
        found = re.search(r"\d+\.\d+\.\d+", said.stdout + said.stderr)
        return found.group(0) if found else None

    def start(self, directory, backends):
        """`backends`: their ports, one a lane. Returns when every lane listens."""
        self.home = os.path.join(directory, self.name)
        os.mkdir(self.home)
        self.ports = free_ports(len(backends))
        with open(os.path.join(self.home, "log"), "wb") as log:
            self.process = subprocess.Popen(self._command(backends), stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, cwd=self.home)
        eventually(self._is_up, 20, f"{self.name} listens on all of its ports")

    def _is_up(self):
        if not self.lives():
            raise RuntimeError(f"{self.name} ended with {self.process.poll()}:\n{self.log()}")
        return all(listens(port) for port in self.ports)

    def _command(self, backends):
        raise NotImplementedError

    def _write(self, name, frame, lane, backends, **more):
        lanes = "".join(lane.format(index=index, host=HOST, port=port, backend=backend)
                        for index, (port, backend) in enumerate(zip(self.ports, backends)))
        path = os.path.join(self.home, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(frame.format(home=self.home, lanes=lanes, **more))
        return path

    def lives(self):
        return self.process.poll() is None

    def log(self):
        texts = []
        for name in ("log", "error.log"):
            path = os.path.join(self.home, name)
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    texts.append(file.read()[-4000:])
        return "\n".join(texts)

    def stop(self):
        """Returns the exit code; kills what does not end in time."""
        if self.process is None:
            return None
        if self.lives():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Nginx(Proxy):
    name, package, binary = "nginx", "nginx-light", "/usr/sbin/nginx"
    ask_version = ("-v",)

    def _command(self, backends):
        path = self._write("nginx.conf", NGINX, NGINX_LANE, backends)
        return [self.binary, "-p", self.home, "-c", path, "-e", f"{self.home}/error.log"]


class Haproxy(Proxy):
    name, package, binary = "haproxy", "haproxy", "/usr/sbin/haproxy"
    ask_version = ("-v",)

    def _command(self, backends):
        return [self.binary, "-db", "-f",
                self._write("haproxy.cfg", HAPROXY, HAPROXY_LANE, backends)]


class Apache(Proxy):
    name, package, binary = "apache", "apache2-bin", "/usr/sbin/apache2"
    ask_version = ("-v",)

    def _command(self, backends):
        path = self._write("apache.conf", APACHE, APACHE_LANE, backends, modules=APACHE_MODULES,
                           user=APACHE_USER if os.geteuid() == 0 else "")
        return [self.binary, "-d", self.home, "-f", path, "-D", "FOREGROUND"]


class Remora(Proxy):
    name, package = "remora", None
    ask_version = ("--version",)

    def __init__(self, binary):
        self.binary = binary
        super().__init__()

    def _command(self, backends):
        lanes = list(zip(self.ports, backends))
        config = {
            "listeners": [{"address": f"{HOST}:{port}", "pool": f"lane{index}"}
                          for index, (port, _) in enumerate(lanes)],
            # No probes: all that a backend sees is what a mutant made of it.
            "pools": [{"name": f"lane{index}", "servers": [f"http://{HOST}:{backend}"],
                       "health_check": {"probe": "none"}}
                      for index, (_, backend) in enumerate(lanes)],
            "shutdown": {"delay": "0s", "deadline": "5s"},
        }
        path = os.path.join(self.home, "config.yaml")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        return [self.binary, "--config", path, "--control", f"unix:{self.home}/c.sock",
                "--admin", f"{HOST}:0", "--log-format", "json", "--workers", "1"]

    def _is_up(self):
        return super()._is_up() and '"msg":"ready"' in self.log().replace(" ", "")
