"""python -m benchmarks.peak_memory COMMAND ...: run it, and print its peak resident memory as JSON.

A process of its own, and a small one: Linux counts the memory of the process that starts a command into the command's
peak. Beside the peak, `output` is what the command printed.
"""

import json
import resource
import subprocess
import sys
from typing import Any

_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


def peak_memory(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Run `command`, which must succeed: {"peak": bytes, "output": str}."""
    launcher = [sys.executable, "-m", "benchmarks.peak_memory", *command]
    done = subprocess.run(launcher, env=environment, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _main() -> None:
    done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True, check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _MAXRSS_UNIT
    json.dump({"peak": peak, "output": done.stdout}, sys.stdout)


if __name__ == "__main__":
    _main()
