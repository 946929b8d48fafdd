"""`make loop`: a model is trained on calls, judged, approved, answers the calls, and is taken back. No download."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / ".loop"
BASE = FOLDER / "base"  # the small model that is tuned
GOLD = FOLDER / "gold.jsonl"  # what both models are asked, and nobody is trained on
CALLS = 600
QUESTIONS = 60  # in the gold set


def environment() -> dict[str, str]:
    """The environment of every process of the loop: its own data, and no hub to ask for a model."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "demo.loop.settings",
        "TRAINING_DATA_DIR": str(FOLDER / "backups"),
        "DATABASE_URL": f"sqlite:///{FOLDER / 'db.sqlite3'}",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",  # of matrices as small as these, threads only wait for each other
        "LOG_LEVEL": "WARNING",
    }
