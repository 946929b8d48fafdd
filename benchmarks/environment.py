"""Where the project keeps its data while it is measured, and Django set up with that."""

import os
from pathlib import Path
from typing import Final

import django

DATA: Final = "backups"
INDEX: Final = "db.sqlite3"


def site_environment(folder: Path) -> dict[str, str]:
    """The environment in which a process of the project keeps all its data in `folder`."""
    return {
        "DJANGO_SETTINGS_MODULE": "project_settings.settings",
        "TRAINING_DATA_DIR": str(folder / DATA),
        "DATABASE_URL": f"sqlite:///{folder / INDEX}",
    }


def set_up_django(folder: Path) -> None:
    """Once in this process, before Gleaner is imported. `folder` takes what no benchmark asked to have elsewhere."""
    os.environ.update(site_environment(folder))
    django.setup()
