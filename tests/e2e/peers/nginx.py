"""nginx from the distribution as a backend: one process, own prefix, a port from the kernel."""
import os
import shutil
import signal
import socket
import subprocess

from peers.wait import eventually

CONFIG = """
daemon off;
master_process off;  # one process, so that kill -9 kills it
pid {prefix}/nginx.pid;
error_log {prefix}/error.log warn;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  server_tokens off;
  sendfile on;
  tcp_nodelay on;
  client_max_body_size 0;
  client_body_temp_path {prefix}/body;
  proxy_temp_path {prefix}/proxy;
  fastcgi_temp_path {prefix}/fastcgi;
  uwsgi_temp_path {prefix}/uwsgi;
  scgi_temp_path {prefix}/scgi;
  default_type application/octet-stream;
  {servers}
}}
"""

SERVER = """
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root {root};
    add_header X-Backend {name} always;
    location = /health {{ return 200 "ok\\n"; }}
    location = /name {{ return 200 "{name}\\n"; }}
    location = /answer {{
      return 200 "$request_method $http_content_length $http_x_nonce\\n";
    }}
    location = /gone {{ return 410 "gone $http_x_nonce\\n"; }}
    location /files/ {{ if_modified_since before; }}
    # SSI does not know the length of its output in advance: nginx sends it chunked.
    location /chunked/ {{ alias {root}/files/; ssi on; ssi_types *; }}
    location /store/ {{ dav_methods PUT DELETE; create_full_put_path on; }}
    location /upload {{
      dav_methods PUT;
      {upload}
    }}
    {extra}
  }}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Nginx:
    """`more`: names of further servers in the same process, which are then equally fast by
    construction; `urls` has all of them."""

    def __init__(self, directory, name="a", root=None, extra="", upload="", more=()):
        self.name = name
        self.port = free_port()
        self.prefix = os.path.join(directory, f"nginx-{name}-{self.port}")
        self.root = root or self.prefix
        os.makedirs(os.path.join(self.root, "files"), exist_ok=True)
        os.makedirs(os.path.join(self.root, "store"), exist_ok=True)
        os.makedirs(self.prefix, exist_ok=True)
        ports = {name: self.port} | {other: free_port() for other in more}
        self.urls = [f"http://127.0.0.1:{port}" for port in ports.values()]
        servers = "".join(SERVER.format(root=self.root, port=port, name=server_name, extra=extra,
                                        upload=upload) for server_name, port in ports.items())
        config = CONFIG.format(prefix=self.prefix, servers=servers)
        self._config_path = os.path.join(self.prefix, "nginx.conf")
        with open(self._config_path, "w", encoding="ascii") as file:
            file.write(config)
        self.process = None
        self.start()

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def id(self):
        return f"127-0-0-1-{self.port}"

    def start(self):
        binary = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = subprocess.Popen(
            [binary, "-p", self.prefix, "-c", self._config_path, "-e",
             os.path.join(self.prefix, "error.log")])
        eventually(self._answers, what="nginx listens")

    def _answers(self):
        assert self.process.poll() is None, self.errors()
        try:
            socket.create_connection(self.address, timeout=1).close()
            return True
        except ConnectionRefusedError:
            return False

    def errors(self):
        path = os.path.join(self.prefix, "error.log")
        return open(path, encoding="utf-8").read() if os.path.exists(path) else "no error log"

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)
