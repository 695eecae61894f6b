"""Waiting for a condition instead of sleeping for a guess."""
import threading
import time


def eventually(condition, timeout=10.0, what=None, pause_s=0.005):
    """Returns the first true value of condition(); fails when `timeout` seconds have passed.

    An AssertionError inside the condition counts as "not yet".
    """
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        failure = None
        try:
            value = condition()
        except AssertionError as error:
            value, failure = None, error
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(
                f"not within {timeout} s: {what or condition}; last: {failure or value!r}")
        pause.wait(pause_s)
