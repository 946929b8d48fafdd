"""`python -m tests.faults.evaluation_kills`: an evaluation, and the erasure of what it keeps, killed at each step.

A step is a statement to the database, a commit, an act on a file, or a question to a model. For each one a process of
its own is forked, which kills itself there; then the same is asked for again. Prints a JSON object: of each verb how
many steps there were, and what was wrong.
"""

import json
import os
import signal
import ssl
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import django

from tests.faults.steps import Steps
from tests.faults.training_run_kills import acts

SECRET = "the secret of Ada"


def main() -> None:
    from django.conf import settings
    from django.core.management import call_command

    from tests.unit.continuous_training.evaluation.models_served import served_models

    call_command("migrate", "continuous_training", verbosity=0)
    call_command("migrate", "capture_app", verbosity=0)
    # Each client loads all certificates, for http, too.
    ssl.create_default_context = cache(ssl.create_default_context)  # type: ignore[assignment]  # called with nothing
    settings.CONTINUOUS_TRAINING = {"EVALUATION_CONCURRENCY": 1}
    with served_models() as served:
        served.says |= {"good": lambda asked: f"You say {asked}", "bad": lambda asked: "?"}
        settings.TRAINING_CAPTURE = {**settings.TRAINING_CAPTURE, **served.settings()}
        found = {name: _every_step(verb, served) for name, verb in {"evaluate": _Evaluate, "forget": _Forget}.items()}
    print(json.dumps(found))


def _every_step(verb: Any, served: Any) -> dict[str, Any]:
    from django.db import connection

    from continuous_training.models import Evaluation

    wrong: list[str] = []
    for step in count(1):
        Evaluation.objects.all().delete()
        served.asked.clear()
        case = verb(served)
        connection.close()
        is_over = not _killed(step, case.act)
        wrong += [f"step {step}: {problem}" for problem in case.problems()]
        if is_over:
            return {"steps": step, "wrong": wrong}
    raise AssertionError("There is always a last step.")


def _killed(step: int, act: Callable[[], Any]) -> bool:
    child = os.fork()
    if not child:
        with Steps(step).counted((Path, "replace"), *acts()):
            act()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), status
    return status != 0


def _compare() -> Any:
    from tests.unit.continuous_training.evaluation.material import compare, item

    return compare([item(SECRET, "You say", example_id="e1"), item("Is it of Bob?", "You say")])


class _Evaluate:
    """Two models are asked two items."""

    def __init__(self, served: Any) -> None:
        self._served = served

    def act(self) -> None:
        _compare()

    def problems(self) -> Iterator[str]:
        from continuous_training.evaluation.report import report_path
        from continuous_training.models import Evaluation

        noted = set(_noted())
        was_done = Evaluation.objects.filter(state="done").exists()
        if not was_done:
            _compare()
        times = self._served.times()
        if any(times[each] != 1 for each in noted):
            yield f"what was noted was asked again: {times}"
        if len(times) != 4 or times.total() > 5:
            yield f"asked {times}"
        [evaluation] = Evaluation.objects.all()
        if evaluation.state != "done" or evaluation.metrics["items"] != 2:
            yield f"it is {evaluation.state}: {evaluation.metrics}"
        if not report_path(evaluation.pk).exists():
            yield "there is no report"
        yield from _left_half_written()


class _Forget:
    """What it keeps of one example is erased."""

    def __init__(self, served: Any) -> None:
        from continuous_training.evaluation.report import report_path

        assert SECRET in report_path(_compare().pk).read_text()

    def act(self) -> None:
        from capture_app.put_aside import Wanted
        from continuous_training.evaluation.copies import erase

        erase(Wanted(ids=["e1"]))

    def problems(self) -> Iterator[str]:
        from continuous_training.evaluation.report import report_path
        from continuous_training.models import EvaluationItem

        self.act()
        [row] = EvaluationItem.objects.all()
        folder = report_path(row.evaluation_id).parent
        texts = [path.read_text() for path in folder.iterdir() if row.evaluation_id in path.name]
        if row.example_id or any(SECRET in text for text in texts):
            yield "it is still there"
        if len(texts) != 2 or not all("Is it of Bob?" in text for text in texts):
            yield "the reports are torn"
        yield from _left_half_written()


def _noted() -> Iterator[tuple[str, str]]:
    from continuous_training.models import EvaluationItem

    for row in EvaluationItem.objects.all():
        asked = row.messages[-1]["content"]
        yield from ((model, asked) for model, answer in (("good", row.candidate), ("bad", row.incumbent)) if answer)


def _left_half_written() -> Iterator[str]:
    from continuous_training.conf import loop_settings

    yield from (f"{path.name} is left" for path in loop_settings().evaluations_folder.glob("*.tmp"))


if __name__ == "__main__":
    django.setup()
    main()
