"""A gRPC client made from proto/ with protoc, and its errors in a form that tests can compare."""
import importlib
import os
import subprocess
import sys

import grpc


def compile_protos(proto_dir, out_dir):
    """Runs the distribution's protoc; returns the generated modules by their short name."""
    plugin = "/usr/bin/grpc_python_plugin"
    sources = ["google/rpc/status.proto", "google/rpc/error_details.proto",
               "remora/v1/control.proto"]
    subprocess.run(
        ["protoc", f"-I{proto_dir}", f"--python_out={out_dir}", f"--grpc_out={out_dir}",
         f"--plugin=protoc-gen-grpc={plugin}", *sources], check=True)
    sys.path.insert(0, str(out_dir))
    import google  # its packages come from two places: the distribution's and ours
    google.__path__.append(os.path.join(str(out_dir), "google"))
    return {
        "pb": importlib.import_module("remora.v1.control_pb2"),
        "stub": importlib.import_module("remora.v1.control_pb2_grpc").ControlStub,
        "status": importlib.import_module("google.rpc.status_pb2"),
        "details": importlib.import_module("google.rpc.error_details_pb2"),
    }


class ControlError(Exception):
    def __init__(self, error, protos):
        super().__init__(f"{error.code().name}: {error.details()}")
        self.code = error.code().name
        self.message = error.details()
        self.reason = None
        self.domain = None
        self.violations = {}  # field -> description
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                self._read_details(value, protos)

    def _read_details(self, data, protos):
        status = protos["status"].Status.FromString(data)
        for detail in status.details:
            info = protos["details"].ErrorInfo()
            bad = protos["details"].BadRequest()
            if detail.Unpack(info):
                self.reason, self.domain = info.reason, info.domain
            elif detail.Unpack(bad):
                for violation in bad.field_violations:
                    self.violations[violation.field] = violation.description


class Control:
    """`target`: "unix:/path" or "ip:port"."""

    def __init__(self, target, protos):
        self.protos = protos
        self.pb = protos["pb"]
        self.channel = grpc.insecure_channel(
            target, options=[("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1),
                             ("grpc.initial_reconnect_backoff_ms", 50),
                             ("grpc.max_reconnect_backoff_ms", 200)])
        self.stub = protos["stub"](self.channel)

    def close(self):
        self.channel.close()

    def call(self, method, request, timeout=10):
        try:
            return getattr(self.stub, method)(request, timeout=timeout)
        except grpc.RpcError as error:
            raise ControlError(error, self.protos) from error

    def add(self, url, pool="", id="", **spec):
        spec = self.pb.ServerSpec(url=url, **spec)
        return self.call("AddServer", self.pb.AddServerRequest(pool=pool, id=id, spec=spec))

    def remove(self, id, pool="", drain_seconds=None, allow_missing=False):
        request = self.pb.RemoveServerRequest(pool=pool, id=id, allow_missing=allow_missing)
        if drain_seconds is not None:
            request.drain_timeout.FromMilliseconds(int(drain_seconds * 1000))
        return self.call("RemoveServer", request)

    def drain(self, id, pool="", drain_seconds=None):
        request = self.pb.DrainServerRequest(pool=pool, id=id)
        if drain_seconds is not None:
            request.drain_timeout.FromMilliseconds(int(drain_seconds * 1000))
        return self.call("DrainServer", request).server

    def undrain(self, id, pool=""):
        return self.call("UndrainServer", self.pb.UndrainServerRequest(pool=pool, id=id)).server

    def update(self, id, pool="", mask=(), **spec):
        request = self.pb.UpdateServerRequest(pool=pool, id=id, spec=self.pb.ServerSpec(**spec))
        request.update_mask.paths.extend(mask)
        return self.call("UpdateServer", request)

    def list_page(self, pool="", page_size=0, page_token=""):
        return self.call("ListServers", self.pb.ListServersRequest(
            pool=pool, page_size=page_size, page_token=page_token))

    def list(self, pool=""):
        servers, token = [], ""
        while True:
            page = self.list_page(pool, 1000, token)
            servers += page.servers
            token = page.next_page_token
            if not token:
                return servers

    def get(self, id, pool=""):
        return self.call("GetServer", self.pb.GetServerRequest(pool=pool, id=id))

    def health(self, timeout=10):
        return self.call("Health", self.pb.HealthRequest(), timeout)

    # ---- what tests ask all the time ----

    def state(self, id, pool=""):
        state = self.get(id, pool).status.state
        return self.pb.ServerStatus.State.Name(state)

    def actives(self, pool=""):
        """Running requests of each server, by id."""
        return {server.id: server.status.active_requests for server in self.list(pool)}

    def active_total(self, pool=""):
        return sum(self.actives(pool).values())

    def ready_servers(self):
        return [s.id for s in self.list() if s.status.state == self.pb.ServerStatus.ACTIVE]
