"""Where the processes under test leave the reports of the sanitizers they may be built with."""
import functools
import glob
import os


@functools.cache
def is_sanitized(path):
    """Sanitizers take memory and time of their own; some limits do not apply to them."""
    with open(path, "rb") as file:
        data = file.read()
    return b"__asan_init" in data or b"__tsan_init" in data


class Reports:
    """One file a process, so that none is lost with a process that is killed or not asked."""

    def __init__(self):
        self._prefix = None

    def collect_in(self, directory):
        """Every process started from now on writes there."""
        self._prefix = os.path.join(directory, "report")
        for tool in ("ASAN", "LSAN", "TSAN", "UBSAN"):
            options = [os.environ.get(f"{tool}_OPTIONS"), f"log_path={self._prefix}"]
            os.environ[f"{tool}_OPTIONS"] = ":".join(filter(None, options))

    def check(self):
        """Fails with what was written since the last time."""
        texts = []
        for path in sorted(glob.glob(f"{self._prefix}*")) if self._prefix else []:
            with open(path, encoding="utf-8", errors="replace") as file:
                texts.append(file.read())
            os.remove(path)
        assert not texts, "a sanitizer report:\n" + "\n".join(texts)


reports = Reports()
