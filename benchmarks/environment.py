"""Where the project keeps its data while it is measured, and Django set up with that."""

import os
from pathlib import Path
from typing import Final

import django

ROOT: Final = Path(__file__).resolve().parent.parent
DATA: Final = "backups"
INDEX: Final = "db.sqlite3"

# Variables that the processes of `survival` and `load` read.
WAY, LATENCY = "BENCHMARK_WAY", "BENCHMARK_LATENCY"
ACKNOWLEDGED, BROKER = "BENCHMARK_ACKNOWLEDGED", "BENCHMARK_BROKER"
CALLS, NOTES = "BENCHMARK_CALLS", "BENCHMARK_NOTES"


def site_environment(folder: Path) -> dict[str, str]:
    """The environment in which a process of the project keeps all its data in `folder`."""
    return {
        "DJANGO_SETTINGS_MODULE": "project_settings.settings",
        "TRAINING_DATA_DIR": str(folder / DATA),
        "DATABASE_URL": f"sqlite:///{folder / INDEX}",
    }


def process_environment(folder: Path) -> dict[str, str]:
    """The whole environment of a process that runs this project, or a module of benchmarks, on the data in `folder`."""
    return {**os.environ, **site_environment(folder), "PYTHONPATH": str(ROOT)}


def set_up_django(folder: Path) -> None:
    """Once in this process, before Gleaner is imported. `folder` takes what no benchmark asked to have elsewhere."""
    os.environ.update(site_environment(folder))
    django.setup()
