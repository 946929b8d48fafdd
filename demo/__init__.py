"""`make demo`: the whole way of the data in a folder of its own, with no key, no server and no second terminal."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".demo"


def environment() -> dict[str, str]:
    """The environment of every process of the demo: its own data, and no model unless OPENAI_BASE_URL names one."""
    values = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "project_settings.settings",
        "TRAINING_DATA_DIR": str(FOLDER / "backups"),
        "DATABASE_URL": f"sqlite:///{FOLDER / 'db.sqlite3'}",
    }
    if not values.get("OPENAI_BASE_URL"):
        values.pop("OPENAI_API_KEY", None)  # a key that lies around is no order to spend money
    return values
