"""A change reaches processes that run already."""

import subprocess
import sys
from pathlib import Path

from capture_app.routing.board import FileBoard
from capture_app.routing.table import routes_json


def routed_to(model: str) -> bytes:
    return routes_json({"shop": (1, {"targets": [{"provider": "offline", "model": model}]})})


def test_a_process_follows_a_change_without_a_restart(data_dir: Path) -> None:
    command = [sys.executable, "-m", "tests.unit.capture_app.routing.watcher", str(data_dir), "tuned"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout
        assert watcher.stdout.readline() == "offline-extract\n"
        FileBoard(data_dir).publish(routed_to("better"))
        assert watcher.stdout.readline() == "better\n"
        FileBoard(data_dir).publish(routed_to("tuned"))
        assert watcher.stdout.readline() == "tuned\n"
        assert watcher.wait(10) == 0
