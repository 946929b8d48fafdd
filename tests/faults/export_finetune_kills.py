"""`python -m tests.faults.export_finetune_kills VERB`: an export of pairs, or an erasure, killed at each of its steps.

A step is a statement to the database, a commit, or an act on a file. For each one a process is forked that kills itself
there, always from the same state: two full master files, of which one pair was judged away, and calls for a third one.
Prints a JSON object: how many steps there were, after how many the old and the new state was there, and what was wrong.
"""

import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import django

from tests.faults.steps import Steps

_ACTS = ("link", "mkdir", "rename", "replace", "rmdir", "unlink")  # of os
_BEGINS = "looking for pairs that were exported before"  # the stage before which nothing is written that others see


class SwitchedSteps(Steps):
    """Counts them once it is switched on."""

    def __init__(self, last: int) -> None:
        super().__init__(last)
        self._is_on = False

    def __call__(self) -> None:
        if self._is_on:
            super().__call__()

    def switch_on(self) -> None:
        self._is_on = True

    def watch(self) -> None:
        from django.db import connection
        from django.db.backends.base.base import BaseDatabaseWrapper

        for kind, name in ((BaseDatabaseWrapper, "_commit"), *((os, act) for act in _ACTS)):
            setattr(kind, name, self.before(getattr(kind, name)))
        connection.ensure_connection()
        connection.execute_wrappers.append(lambda execute, *rest: self.before(execute)(*rest))


def main(verb: str) -> None:
    from django.db import connection

    state = State()
    found: Counter[str] = Counter()
    for step in count(1):
        state.restore()
        connection.close()
        is_over = not _killed(step, VERBS[verb], state)
        found[state.told()] += 1
        if is_over:
            break
    wrong = state.wrong_after_another_run(verb)
    print(json.dumps({"steps": step, **found, "wrong": wrong}))


def _killed(step: int, act: Callable[[Any, SwitchedSteps], None], state: Any) -> bool:
    child = os.fork()
    if not child:
        steps = SwitchedSteps(step)
        steps.watch()
        act(state, steps)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), status
    return status != 0


class State:
    """What there is before each step: made once, and restored."""

    def __init__(self) -> None:
        from django.conf import settings
        from django.core.management import call_command

        from capture_app.judgments import save_review
        from capture_app.services import drain_captures
        from continuous_training.conf import loop_settings
        from continuous_training.exporting.service import export_finetune
        from continuous_training.models import ExportedExample, FinetuneExport
        from tests.unit.continuous_training.exporting.material import said, several

        settings.CONTINUOUS_TRAINING = {"EXPORT": {"MAX_FILE_BYTES": 1000}}
        call_command("migrate", verbosity=0)
        self.old = several(13, user_id="u")
        export_finetune()
        self.folder = loop_settings().exports_folder
        self._copy = self.folder.with_name("exports.copy")
        shutil.copytree(self.folder, self._copy)
        self._rows = [list(model.objects.all()) for model in (FinetuneExport, ExportedExample)]
        save_review(self.old[0], by="ann", verdict="bad")
        self.new = [said(answer=f"It costs {number} pounds, no more.") for number in range(13, 20)]
        drain_captures()

    def restore(self) -> None:
        from continuous_training.models import ExportedExample, FinetuneExport

        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self._copy, self.folder)
        ExportedExample.objects.all().delete()
        FinetuneExport.objects.all().delete()
        for rows in self._rows:
            type(rows[0])._default_manager.bulk_create(rows)

    def told(self) -> str:
        """`old` or `new`, when files and rows say the same once what was left is finished; else what is wrong."""
        from continuous_training.exporting.publishing import finish_killed

        finish_killed()
        return self._difference() or self._age()

    def _age(self) -> str:
        from continuous_training.models import ExportedExample

        changed = [*self.new, self.old[0], self.old[5]]
        now = set(ExportedExample.objects.filter(pk__in=changed, left_out="").values_list("pk", flat=True))
        return "old" if now == {self.old[0], self.old[5]} else "new"

    def _difference(self) -> str:
        from continuous_training.exporting.master import read_master
        from continuous_training.models import ExportedExample, FinetuneExport
        from tests.unit.continuous_training.exporting.material import files_in

        master = read_master(self.folder)
        assert master is not None
        exports = FinetuneExport.objects.all()
        alive = sorted(ExportedExample.objects.filter(left_out="").values_list("pair_hash", flat=True))
        if [export.pk for export in exports if export.state != FinetuneExport.State.DONE]:
            return "not finished"
        if {task: sorted(self._hashes(files)) for task, files in master.files.items()} != {None: alive, "shop": alive}:
            return "the master files are not what the rows say"
        named = {"master_fine_tune.manifest.json", *master.names()}
        for export in exports:
            named |= {f"{export.pk}.manifest.json", *(file["name"] for file in export.files)}
        there = {name for name in files_in(self.folder) if not name.startswith(".staging/")}
        return "" if named == there else f"files {sorted(named ^ there)}"

    def _hashes(self, files: Any) -> list[str]:
        from continuous_training.exporting.layout import hash_of
        from continuous_training.exporting.master import check_sound, lines_of

        for file in files:
            check_sound(self.folder, file)
        return [hash_of(line) for file in files for line in lines_of(self.folder / file.name)]

    def wrong_after_another_run(self, verb: str) -> str:
        """What a run that nobody kills leaves undone."""
        from continuous_training.exporting.service import export_finetune

        _erase(self, SwitchedSteps(0)) if verb == "erase" else export_finetune()
        difference = self._difference()
        return difference or ("" if self._age() == "new" else "nothing was done") or _left_in_staging(self.folder)


def _left_in_staging(folder: Path) -> str:
    return ".staging is there" if (folder / ".staging").exists() else ""


def _export(state: State, steps: SwitchedSteps) -> None:
    from continuous_training.exporting.service import export_finetune

    export_finetune(progress=lambda stage, done, total: steps.switch_on() if stage == _BEGINS else None)


def _erase(state: State, steps: SwitchedSteps) -> None:
    from capture_app.put_aside import Wanted
    from continuous_training.exporting.forgetting import erase_pairs

    steps.switch_on()
    erase_pairs(Wanted(ids=[state.old[5], state.old[0]]))


VERBS: dict[str, Callable[[State, SwitchedSteps], None]] = {"export": _export, "erase": _erase}


if __name__ == "__main__":
    django.setup()
    main(sys.argv[1])
