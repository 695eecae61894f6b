"""`remoractl discover` as a process, and what its tests ask of the sidecar beside it."""
import json
import os

from peers.daemon import Daemon, binary
from peers.wait import eventually


class Discover(Daemon):
    """Its log has the form of remorad's, and so has its end."""

    def __init__(self, directory, protos, sidecar, arguments, env=None):
        super().__init__(directory, protos, (), env=env)
        self.arguments = [binary("REMORACTL", "remoractl"), "--server", sidecar, "discover",
                          "--admin", "127.0.0.1:0", *arguments]

    def sync_with(self, text):
        """The `synced` lines whose changes have this text."""
        return [event for event in list(self.events)
                if event.get("msg") == "synced" and text in event["changes"]]


class File:
    def __init__(self, directory, servers=()):
        self.path = os.path.join(directory, "servers.yaml")
        self.write(servers)

    def write(self, servers):
        self.write_text(json.dumps({"servers": list(servers)}))

    def write_text(self, text):
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(self.path + ".new", self.path)

    @property
    def arguments(self):
        return ["--source", "file", "--file", self.path]


def urls(sidecar):
    """Of what is not on its way out."""
    draining = sidecar.control.pb.ServerStatus.DRAINING
    return sorted(server.spec.url.removeprefix("http://") for server in sidecar.control.list()
                  if server.status.state != draining or server.status.drained)


def expect_urls(sidecar, *wanted, timeout=15):
    eventually(lambda: urls(sidecar) == sorted(wanted), timeout, f"servers are {wanted}")


def kill(process):
    """With -9: nobody is to look at how it ended."""
    process.kill()
    process.process = None


def names(count, start=0):
    return [f"127.1.0.{i}:80" for i in range(start, start + count)]


def owners(sidecar):
    return {server.id: server.owner for server in sidecar.control.list()}
