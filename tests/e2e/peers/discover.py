"""`remoractl discover` as a process."""
from peers.daemon import Daemon, binary


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
