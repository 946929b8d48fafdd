"""A process that forks one child for each verb: `python -m tests.unit.training_archive.model.worker FOLDER`.

It is asked by lines of JSON, and answers by lines of JSON. Starting Python and Django anew for each verb would cost
half a second; a fork costs milliseconds. It must never use DuckDB or a database itself, for both dislike forks.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import django


def serve(folder: Path) -> None:
    from tests.unit.training_archive.model import look, verbs  # noqa: F401  (loaded once, before the forks)

    print(json.dumps(fork(folder, {"verb": "make_template"})), flush=True)
    for line in sys.stdin:
        print(json.dumps(fork(folder, json.loads(line))), flush=True)


def fork(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """What became of the request: {"status": "done", "killed" or "failed", "value": ...}."""
    answer = folder / "answer.json"
    answer.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        try:
            value = work(folder, request)
            answer.write_text(json.dumps({"status": "done", **value}))
        except BaseException:  # whatever it is, the test is told, and no child goes on in here
            answer.write_text(json.dumps({"status": "failed", "value": traceback.format_exc()}))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    found: dict[str, Any] = json.loads(answer.read_text()) if answer.exists() else {"status": "killed"}
    return found


def work(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    from django.core.management import call_command
    from django.db import connection
    from django.test.utils import override_settings

    from tests.unit.training_archive.model.killing import killed_at
    from tests.unit.training_archive.model.look import look
    from tests.unit.training_archive.model.verbs import VERBS

    site = folder / request.get("site", "")
    connection.settings_dict["NAME"] = str(site / "db.sqlite3")
    connection.settings_dict["OPTIONS"] = {"init_command": "PRAGMA synchronous=OFF"}  # a kill is no power failure
    if request["verb"] == "make_template":
        call_command("migrate", verbosity=0)
        return {}
    if request["verb"] == "look":
        return {"value": look(site)}
    settings = {
        "TRAINING_CAPTURE": {"DATA_DIR": site / "backups", "DEFAULT_PROVIDER": "offline"},
        "TRAINING_ARCHIVE": {"COMPRESSLEVEL": 1},
    }
    with override_settings(**settings), killed_at(request["kill_at"]) as steps:
        value = VERBS[request["verb"]](**request["arguments"])
    return {"value": value, "steps": steps.count}


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    serve(Path(sys.argv[1]))
