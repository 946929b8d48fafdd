"""The project's own settings, on data of a benchmark's own."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.test import override_settings

from benchmarks.environment import DATA, INDEX
from capture_app.conf import LIVE_DATABASE_NAME
from capture_app.inbox.spool import FOLDER, SpoolInbox
from capture_app.services import drain_captures


@contextmanager
def site(folder: Path, **capture: Any) -> Iterator[Path]:
    """Gleaner at work in `folder`, with an index database of its own. `capture` are keys of TRAINING_CAPTURE.

    Gives the path of the live database.
    """
    data_dir = folder / DATA
    data_dir.mkdir(parents=True, exist_ok=True)
    providers = {"instant": {"BACKEND": "benchmarks.instant.InstantProvider"}}
    options = {"DATA_DIR": data_dir, "PROVIDERS": providers, "DEFAULT_PROVIDER": "instant", **capture}
    with override_settings(TRAINING_CAPTURE=options), _index_database(folder / INDEX):
        yield data_dir / LIVE_DATABASE_NAME


@contextmanager
def _index_database(path: Path) -> Iterator[None]:
    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = str(path)
    try:
        call_command("migrate", verbosity=0)
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before


def spool(folder: Path, lines: Iterable[bytes]) -> None:
    """Write records into the inbox of the site in `folder`, as call_llm does."""
    inbox = SpoolInbox(folder / DATA / FOLDER)
    for line in lines:
        inbox.append(line)


def filled_site(folder: Path, lines: Iterable[bytes]) -> Path:
    """A site whose live database holds these records, brought there by the drain. Gives that database's path."""
    spool(folder, lines)
    with site(folder) as live:
        drain_captures()
    return live
