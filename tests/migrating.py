"""Django's tables, made once and copied by every test that wants a project of its own."""

import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def migrated_database(folder: Path) -> Path:
    """An SQLite file in `folder` with all tables, and no rows but those that migrations make."""
    path = folder / "django.sqlite3"
    own = {
        "DATABASE_URL": f"sqlite:///{path}",
        "DJANGO_SETTINGS_MODULE": "project_settings.settings",
        "SECRET_KEY": "only-for-tests",
        "TRAINING_DATA_DIR": str(folder / "backups"),
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity=0"],
        cwd=_ROOT,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return path
