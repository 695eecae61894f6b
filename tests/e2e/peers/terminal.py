"""A program on a terminal of its own."""
import os
import pty
import subprocess


def start_on_terminal(*command, env=None):
    """The process, and this end of the terminal, which the caller closes.

    Not by pty.fork: with Debian 13's grpc that waits for ever while a channel is open.
    """
    terminal, end = pty.openpty()
    process = subprocess.Popen(["setsid", "--ctty", *command], stdin=end, stdout=end, stderr=end,
                               env={**os.environ, **(env or {})})
    os.close(end)
    return process, terminal
