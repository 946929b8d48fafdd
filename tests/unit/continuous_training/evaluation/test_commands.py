"""`evaluate_model` and `hold_out_examples`, as the shell calls them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command

from continuous_training.management.commands.hold_out_examples import Command as HoldOut
from continuous_training.models import Evaluation, HeldOutExample
from tests.unit.continuous_training.evaluation.material import TASK, record, write_gold
from tests.unit.continuous_training.evaluation.models_served import Served, answering, failing
from tests.unit.continuous_training.evaluation.test_held_out import several

pytestmark = pytest.mark.django_db

Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command as the shell would; its standard output."""

    def called(*arguments: Any) -> str:
        capsys.readouterr()
        call_command(*map(str, arguments))
        return capsys.readouterr().out

    return called


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    return write_gold(tmp_path / "gold.jsonl", record("A?", "yes", category="easy"), record("B?", "no"))


@pytest.fixture(autouse=True)
def models(served: Served, capture: Callable[..., None]) -> Served:
    """The task's incumbent is bad."""
    served.says |= {"good": answering({"A?": "yes", "B?": "no"}), "bad": lambda asked: "yes"}
    settings = served.settings()
    capture(**{**settings, "ROUTES": {**settings["ROUTES"], TASK: {"PROVIDER": "stub", "MODEL": "bad"}}})
    return served


def test_a_candidate_is_compared_with_who_answers_the_task_now(run: Run, gold: Path) -> None:
    said = run("evaluate_model", TASK, "--candidate", "stub/good", "--gold", gold)

    assert "2 items by token_f1." in said
    assert "Score, token_f1: 1.000, incumbent 0.500" in said
    assert "category easy, 1: 1.000, incumbent 1.000, gain +0.000" in said
    assert "The report is " in said
    assert Evaluation.objects.get().incumbent_model == "bad"


def test_its_json_has_all_figures(run: Run, gold: Path) -> None:
    said = orjson.loads(run("evaluate_model", TASK, "--candidate", "stub/good", "--gold", gold, "--json"))

    assert (said["state"], said["items"], said["gain"]["mean"]) == ("done", 2, 0.5)
    assert Path(said["report"]).is_file()


def test_scorers_are_named_and_the_candidate_can_stand_alone(run: Run, gold: Path) -> None:
    options = ("--scorer", "exact", "--scorer", "chrf", "--alone", "--json")

    said = orjson.loads(run("evaluate_model", TASK, "--candidate", "stub/bad", "--gold", gold, *options))

    assert (said["scorers"], said["incumbent"], said["candidate"]["score"]) == (["exact", "chrf"], None, 0.5)


def test_another_incumbent_can_be_named(run: Run, gold: Path) -> None:
    run("evaluate_model", TASK, "--candidate", "stub/bad", "--incumbent", "stub/good", "--gold", gold)

    assert Evaluation.objects.get().incumbent_model == "good"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--candidate", "good"], "no PROVIDER/MODEL"),
        (["--candidate", "gone/x"], "no provider 'gone'"),
        (["--candidate", "stub/good", "--scorer", "nonsense"], "no scorer 'nonsense'"),
        (["--candidate", "stub/good", "--held-out"], "hold_out_examples"),
        (["--candidate", "stub/good", "--gold", "gone.jsonl"], "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_told(run: Run, gold: Path, arguments: list[str], problem: str) -> None:
    named = [] if {"--gold", "--held-out"} & set(arguments) else ["--gold", gold]

    with pytest.raises(CommandError, match=problem) as raised:
        run("evaluate_model", TASK, *arguments, *named)
    assert raised.value.returncode == 1
    assert not Evaluation.objects.exists()


def test_one_that_stopped_ends_with_75_and_goes_on(run: Run, gold: Path, models: Served) -> None:
    says, models.says["good"] = models.says["good"], failing()
    with pytest.raises(CommandError, match="goes on") as raised:
        run("evaluate_model", TASK, "--candidate", "stub/good", "--gold", gold)
    assert raised.value.returncode == 75

    models.says["good"] = says
    run("evaluate_model", TASK, "--candidate", "stub/good", "--gold", gold)

    assert Evaluation.objects.get().state == "done"
    assert models.times()[("bad", "A?")] == 1


def test_examples_are_held_out_and_evaluated(run: Run) -> None:
    several(3)

    said = run("hold_out_examples", TASK, "--count", "5")
    assert "Held out 3 examples; 3 of the 5 that are wanted, out of 3 reviewed examples" in said
    assert "run this again" in said
    assert orjson.loads(run("hold_out_examples", TASK, "--share", "50%", "--json"))["new"] == 0
    assert HeldOutExample.objects.count() == 3
    assert "3 items by token_f1" in run("evaluate_model", TASK, "--candidate", "stub/good", "--held-out")


def test_a_share_is_a_number_or_percent() -> None:
    parser = HoldOut().create_parser("manage.py", "hold_out_examples")

    assert parser.parse_args([TASK, "--share", "12.5%"]).share == 0.125
    assert parser.parse_args([TASK, "--share", "0.2"]).share == 0.2
    with pytest.raises(CommandError, match="no share"):
        parser.parse_args([TASK, "--share", "some"])
