"""What an evaluation keeps of an example goes with it: rows, and the reports on the disk."""

from typing import Any

import pytest

from capture_app.put_aside import Wanted
from continuous_training.evaluation import copies
from continuous_training.evaluation.copies import erase
from continuous_training.evaluation.held_out import held_out_set
from continuous_training.evaluation.holding_out import hold_out
from continuous_training.evaluation.report import report_path
from continuous_training.models import Evaluation, EvaluationItem, HeldOutExample
from tests.unit.continuous_training.evaluation.material import TASK, compare, item
from tests.unit.continuous_training.evaluation.models_served import Served
from tests.unit.continuous_training.evaluation.test_held_out import reviewed
from training_archive.services import forget

pytestmark = pytest.mark.django_db

SECRET = "the secret of Ada"


@pytest.fixture
def evaluation(served: Served) -> Evaluation:
    """Ada's example and Bob's, held out and asked; both models repeat what they are asked."""
    served.says |= {"good": lambda asked: f"You say {asked}", "bad": lambda asked: "?"}
    reviewed(f"Is it {SECRET}?", training_metadata={"user_id": "ada", "conversation_id": "c1"})
    reviewed("Is it of Bob?", training_metadata={"user_id": "bob"})
    hold_out(TASK, count=2)
    asked = held_out_set(TASK)
    return compare(asked.items, gold=asked)


def reports(evaluation: Evaluation) -> str:
    path = report_path(evaluation.pk)
    return path.read_text() + path.with_suffix(".json").read_text()


def assert_forgotten(evaluation: Evaluation) -> None:
    assert SECRET not in reports(evaluation)
    assert "Is it of Bob?" in reports(evaluation)
    for rows in (EvaluationItem.objects, HeldOutExample.objects):
        assert [row.messages[-1]["content"] for row in rows.all()] == ["Is it of Bob?"]


@pytest.mark.parametrize("who", [{"user": "ada"}, {"conversation": "c1"}])
def test_a_forgotten_user_is_in_no_row_and_in_no_report(evaluation: Evaluation, who: dict[str, str]) -> None:
    assert SECRET in reports(evaluation)

    [receipt] = forget(by="test", **who).receipts  # type: ignore[arg-type]  # one of the two

    assert_forgotten(evaluation)
    assert receipt.removed["evaluations"] == 2


@pytest.mark.parametrize("whose", [{"users": ["ada"]}, {"conversations": ["c1"]}])
def test_so_is_one_whose_example_nothing_else_knows_any_more(evaluation: Evaluation, whose: Any) -> None:
    assert erase(Wanted(**whose)) == 2

    assert_forgotten(evaluation)


def test_figures_stay_as_they_were(evaluation: Evaluation) -> None:
    before = Evaluation.objects.get().metrics

    forget(by="test", user="ada")

    assert Evaluation.objects.get().metrics == before


def test_what_is_forgotten_can_be_forgotten_again(evaluation: Evaluation) -> None:
    wanted = Wanted(users=["ada"])

    assert erase(wanted) == 2
    assert erase(wanted) == 0
    assert_forgotten(evaluation)


def test_killed_in_between_it_is_finished_by_the_next_run(
    evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(ids: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(copies, "_erase_rows", die)
    with pytest.raises(KeyboardInterrupt):
        erase(Wanted(users=["ada"]))
    assert SECRET not in reports(evaluation)
    monkeypatch.undo()

    assert erase(Wanted(users=["ada"])) == 2
    assert_forgotten(evaluation)


def test_a_line_of_a_gold_file_that_was_an_example_is_found_by_its_id(served: Served) -> None:
    served.says["good"] = lambda asked: "?"
    evaluation = compare([item(SECRET, "x", example_id="e1"), item("Is it of Bob?", "x")], incumbent=None)

    assert erase(Wanted(ids=["e1"])) == 1
    assert SECRET not in reports(evaluation)


def test_items_without_an_id_are_nobodys(served: Served) -> None:
    served.says["good"] = lambda asked: "?"
    compare([item("Is it?", "x")], incumbent=None)

    assert erase(Wanted(ids=[""], users=["ada"], conversations=["c1"])) == 0
    assert EvaluationItem.objects.count() == 1


def test_what_is_forgotten_while_it_is_asked_is_not_compared(served: Served, settings: Any) -> None:
    settings.CONTINUOUS_TRAINING = {"EVALUATION_CONCURRENCY": 1}
    served.says |= {"good": lambda asked: f"You say {asked}", "bad": lambda asked: "?"}

    def forgetting(stage: str, done: int, total: int) -> None:
        if (stage, done) == ("asking", 3):
            erase(Wanted(ids=["e1"]))

    items = [item("Is it of Bob?", "x"), item(SECRET, "x", example_id="e1")]
    evaluation = compare(items, progress=forgetting)

    assert evaluation.metrics["items"] == 1
    assert SECRET not in reports(evaluation)


def test_a_report_that_nobody_keeps_is_not_made_anew(evaluation: Evaluation) -> None:
    for suffix in (".html", ".json"):
        report_path(evaluation.pk).with_suffix(suffix).unlink()

    forget(by="test", user="ada")

    assert not report_path(evaluation.pk).exists()
