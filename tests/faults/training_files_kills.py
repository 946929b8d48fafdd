"""`python -m tests.faults.training_files_kills VERB`: the verb, killed at each of its steps in turn.

A step is a statement to the database, a commit, or an act on a file that others can see. For each step a process of
its own is forked, which kills itself there. Prints a JSON object: how many steps there were, after how many of them the
old and after how many the new version was there, and what was wrong.
"""

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import django

from tests.faults.steps import Steps

Act = Callable[[str], Any]


def main(verb: str) -> None:
    from django.core.management import call_command
    from django.db import connection

    from tests.unit.training_files.material import stored

    call_command("migrate", "training_files", verbosity=0)
    stored(*range(6))
    found: Counter[str] = Counter()
    for step in count(1):
        file_id, old, new = _prepared(verb, f"{verb} {step}")
        connection.close()
        is_over = not _killed(step, VERBS[verb], file_id)
        state = _state(file_id)
        found["old" if state == old else "new" if state == new else "torn"] += 1
        if is_over:
            break
    print(json.dumps({"steps": step, **found, "left": _unswept()}))


def _killed(step: int, act: Act, file_id: str) -> bool:
    child = os.fork()
    if not child:
        with Steps(step).counted((Path, "write_bytes"), (Path, "replace"), (Path, "unlink")):
            act(file_id)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), status
    return status != 0


def _prepared(verb: str, name: str) -> tuple[str, Any, Any]:
    """A file to do it to, and what it must be before and afterwards."""
    from tests.unit.training_files.material import ADA
    from training_files.service import create_training_file

    made = create_training_file(name, conversation_ids=["c1", "c2", "c3"], by=ADA)
    new = {"add": ["c1", "c2", "c3", "c4", "c5"], "remove": ["c1", "c3"], "delete": None}
    return str(made.pk), ["c1", "c2", "c3"], new[verb]


def _state(file_id: str) -> list[str] | None:
    """What is in the file, whose bytes are those of its conversations; None when it is gone."""
    from tests.unit.training_files.material import both_files, enriched, ids_in, written_anew
    from training_files.models import TrainingFile
    from training_files.service import describe

    training_file = TrainingFile.objects.filter(pk=file_id).first()
    if training_file is None:
        return None
    described = describe(training_file)
    held = ids_in(described)
    conversations = [enriched(int(each.removeprefix("c"))) for each in held]
    assert both_files(training_file) == written_anew(described, conversations), held
    return held


def _unswept() -> list[str]:
    """What a sweep leaves in the storage, or takes from it, that it should not."""
    from django.conf import settings

    from tests.unit.training_files.material import in_storage
    from training_files.conf import training_files_settings
    from training_files.models import LooseFile, TrainingFilePart
    from training_files.parts import names_of
    from training_files.storage import sweep_loose_files

    settings.TRAINING_FILES = {"ORPHAN_HOURS": 0, "URL_SECONDS": 0}
    sweep_loose_files()
    folder = training_files_settings().folder
    named = {
        folder / name for stem in TrainingFilePart.objects.values_list("stem", flat=True) for name in names_of(stem)
    }
    there = {*in_storage(["parts"])}
    return [*map(str, there ^ named), *LooseFile.objects.values_list("name", flat=True)]


def _add(file_id: str) -> None:
    from tests.unit.training_files.material import ADA
    from training_files.service import add_conversations

    add_conversations(file_id, ["c4", "c5"], by=ADA)


def _remove(file_id: str) -> None:
    from tests.unit.training_files.material import ADA
    from training_files.service import remove_conversations

    remove_conversations(file_id, ["c2"], by=ADA)


def _delete(file_id: str) -> None:
    from tests.unit.training_files.material import ADA
    from training_files.service import delete_training_file

    delete_training_file(file_id, by=ADA)


VERBS: dict[str, Act] = {"add": _add, "remove": _remove, "delete": _delete}


if __name__ == "__main__":
    django.setup()
    main(sys.argv[1])
