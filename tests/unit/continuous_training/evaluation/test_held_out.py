"""Examples that are held out: which are, that no export takes them, and that they can be asked."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from capture_app import call_llm
from capture_app.exceptions import JobBusy
from capture_app.feedback import record_feedback
from capture_app.judgments import save_review
from capture_app.models import ForgottenExample
from capture_app.recorder import record_example
from continuous_training.evaluation import holding_out
from continuous_training.evaluation.held_out import JUDGED_BAD, all_held_out, held_out_prompts, held_out_set
from continuous_training.evaluation.holding_out import hold_out
from continuous_training.exceptions import EvaluationRefused, GoldSetInvalid
from continuous_training.exporting.locking import exports_locked
from continuous_training.exporting.service import export_finetune
from continuous_training.models import ExportedExample, HeldOutExample
from tests.unit.continuous_training.evaluation.material import TASK, compare, item, record, write_gold
from tests.unit.continuous_training.evaluation.models_served import Served, answering
from tests.unit.training_archive.test_held_out import LONG
from training_archive.exports.options import ExportOptions
from training_archive.exports.service import export_dataset
from training_archive.services import archive_training_data

pytestmark = pytest.mark.django_db

SPECS = {"price": "exact"}


def said(question: str = "What does the lamp cost?", answer: str = "It costs five pounds.", **options: Any) -> str:
    """A call that was made; its example's id."""
    asked: dict[str, Any] = {} if "messages" in options else {"prompt": question}
    call: dict[str, Any] = {"training_metadata": {}, **asked, **options}
    example_id = record_example(provider="offline", model="small", response=answer, task=TASK, **call)
    assert example_id
    return example_id


def reviewed(question: str = "What does the lamp cost?", verdict: str = "good", **options: Any) -> str:
    example_id = said(question, **options)
    save_review(example_id, by="anna", verdict=verdict)
    return example_id


def several(count: int) -> list[str]:
    return [reviewed(f"What does lamp {n} cost?", answer=f"Lamp {n} costs {n} pounds.") for n in range(count)]


def held_ids() -> set[str]:
    return set(HeldOutExample.objects.values_list("pk", flat=True))


def test_reviewed_examples_of_the_task_are_held_out() -> None:
    good = several(4)
    reviewed("Else", verdict="bad")
    said("Nobody looked at this.")

    report = hold_out(TASK, count=3)

    assert (report.new, report.held_out, report.reviewed) == (3, 3, 4)
    assert held_ids() < set(good)


def test_live_archived_and_waiting_examples_are_found_alike() -> None:
    first = reviewed("A lamp?")
    archive_training_data()
    second = reviewed("A chair?")

    hold_out(TASK, count=5)

    assert held_ids() == {first, second}


def test_a_second_run_only_adds_what_is_missing() -> None:
    several(6)
    hold_out(TASK, count=2)
    first = held_ids()

    report = hold_out(TASK, count=4)

    assert (report.new, report.held_out) == (2, 4)
    assert first < held_ids()
    assert hold_out(TASK, count=4).new == 0


def test_a_share_is_of_all_reviewed_ones() -> None:
    several(10)

    assert hold_out(TASK, share=0.2).held_out == 2
    assert hold_out(TASK, share=0.2).new == 0
    assert hold_out(TASK, share=0.5).held_out == 5


def test_the_seed_decides_which() -> None:
    several(12)
    hold_out(TASK, count=4, seed=1)
    first = held_ids()
    HeldOutExample.objects.all().delete()
    hold_out(TASK, count=4, seed=1)
    again = held_ids()
    HeldOutExample.objects.all().delete()
    hold_out(TASK, count=4, seed=2)

    assert first == again != held_ids()


@pytest.mark.parametrize("numbers", [{}, {"count": 1, "share": 0.1}, {"count": 0}, {"share": 0.0}, {"share": 1.1}])
def test_numbers_that_make_no_sense_are_refused(numbers: Any) -> None:
    with pytest.raises(EvaluationRefused, match="Nothing was changed"):
        hold_out(TASK, **numbers)


def test_an_item_has_what_was_asked_and_what_should_have_been_answered() -> None:
    metadata = {"slot_specs": SPECS, "category": "lamps", "user_id": "u1", "conversation_id": "c1"}
    example_id = said(
        answer='{"price": 5}',
        system_prompt="You read shop pages.",
        parameters={"temperature": 0},
        training_metadata=metadata,
    )
    save_review(example_id, by="anna", verdict="bad", correction='{"price": 6}')

    hold_out(TASK, count=1)

    [found] = held_out_set(TASK).items
    assert found.messages == [
        {"role": "system", "content": "You read shop pages."},
        {"role": "user", "content": "What does the lamp cost?"},
    ]
    assert (found.expected, found.category, found.slot_specs) == ('{"price": 6}', "lamps", SPECS)
    assert (found.settings, found.example_id) == ({"parameters": {"temperature": 0}}, example_id)
    row = HeldOutExample.objects.get()
    assert (row.user_id, row.conversation_id) == ("u1", "c1")


def test_a_correction_by_an_application_counts_as_a_review() -> None:
    example_id = said()
    record_feedback(example_id, correction="It costs six.")

    hold_out(TASK, count=1)

    assert held_out_set(TASK).items[0].expected == "It costs six."


def test_a_later_correction_counts_and_a_later_bad_verdict_does_too() -> None:
    first, second = several(2)
    hold_out(TASK, count=2)
    save_review(first, by="ben", correction="It is sold out.")
    save_review(second, by="ben", verdict="bad")

    found = held_out_set(TASK)

    assert [(each.example_id, each.expected) for each in found.items] == [(first, "It is sold out.")]
    assert found.left_out == {JUDGED_BAD: 1}


def picture() -> list[dict[str, Any]]:
    url = f"data:image/png;base64,{base64.b64encode(b'png' * 40).decode()}"
    return [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]


CALL = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]


def test_what_cannot_be_asked_again_is_not_held_out_and_it_says_why() -> None:
    reviewed("A", answer="")
    reviewed("B", answer="", tool_calls=CALL)
    reviewed(messages=[{"role": "user", "content": picture()}])
    reviewed(messages=[{"role": "boss", "content": "x"}])
    reviewed(messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}])
    reviewed("  ")
    reviewed("C", answer='{"price": 5}', training_metadata={"slot_specs": {"price": "fuzzy"}})
    reviewed("D", answer="five", training_metadata={"slot_specs": SPECS})

    report = hold_out(TASK, count=1)

    assert not held_ids()
    assert report.left_out == {
        holding_out.NO_ANSWER: 1,
        holding_out.TOOL_CALL: 1,
        holding_out.ATTACHMENTS: 1,
        holding_out.ODD: 3,
        holding_out.SPECS: 2,
    }


def test_each_prompt_is_held_out_once() -> None:
    reviewed("What is it?")
    hold_out(TASK, count=1)
    reviewed("what IS it")
    reviewed("What was it?")

    report = hold_out(TASK, count=3)

    assert (report.held_out, report.left_out) == (2, {holding_out.TWICE: 1})


def exported(example_id: str) -> None:
    ExportedExample.objects.create(pk=example_id, task=TASK, pair_hash="f" * 64)


def test_what_an_export_has_taken_is_not_held_out_nor_what_asks_nearly_the_same() -> None:
    exported(reviewed("What is it?"))
    exported(said(LONG))
    reviewed("what IS it")
    reviewed(LONG.replace("twelve", "eleven"))
    free = reviewed("Something else?")

    report = hold_out(TASK, count=5)

    assert held_ids() == {free}
    assert (report.reviewed, report.left_out) == (3, {holding_out.EXPORTED: 2})


def test_what_was_forgotten_is_not_held_out() -> None:
    ForgottenExample.objects.create(pk=reviewed(), erasure="forget-1")

    assert hold_out(TASK, count=1).left_out == {holding_out.GONE: 1}


def test_what_is_forgotten_meanwhile_is_not_either(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = several(2)
    choose = holding_out._choose

    def choosing(*arguments: Any) -> Any:
        found = choose(*arguments)
        ForgottenExample.objects.create(pk=first, erasure="forget-1")
        return found

    monkeypatch.setattr(holding_out, "_choose", choosing)

    assert hold_out(TASK, count=2).new == 1
    assert held_ids() == {second}


def test_no_export_runs_at_the_same_time() -> None:
    with exports_locked(), pytest.raises(JobBusy):
        hold_out(TASK, count=1)


# --- No export takes them --------------------------------------------------------------------------------------------


def records_in(folder: Path) -> list[str]:
    """The prompts that a data set has."""
    lines = [line for path in folder.glob("*.jsonl") for line in path.read_bytes().splitlines()]
    return [orjson.loads(line)["messages"][-2]["content"] for line in lines]


def dataset(folder: Path) -> Any:
    return export_dataset(options=ExportOptions(format="openai-chat"), out=folder)


@pytest.fixture
def planted() -> str:
    """Beside held-out examples others that ask the same, exactly or nearly; the id of one that does not."""
    for question in ("What is it, please?", LONG):
        reviewed(question)
    hold_out(TASK, count=2)
    said("what IS it please")
    said(LONG.replace("twelve", "eleven"))
    said(f"Dear team! {LONG}")
    return said("What does this one cost?")


@pytest.mark.usefixtures("planted")
def test_neither_they_nor_their_near_duplicates_are_in_a_data_set(tmp_path: Path) -> None:
    report = dataset(tmp_path / "out")

    assert report.left_out == {"held out": 5}
    assert records_in(tmp_path / "out") == ["What does this one cost?"]


def test_nor_are_they_in_a_daily_export(planted: str, data_dir: Path) -> None:
    export_finetune()

    assert set(ExportedExample.objects.exclude(pair_hash="").values_list("pk", flat=True)) == {planted}
    written = b"".join(path.read_bytes() for path in (data_dir / "exports").rglob("*.jsonl"))
    assert b"this one cost" in written
    assert b"Hamburg" not in written
    assert b"please" not in written


def test_nor_what_a_gold_file_asks_before_it_was_ever_used(settings: Any, tmp_path: Path) -> None:
    path = write_gold(tmp_path / "gold.jsonl", record("What does the lamp cost?"))
    settings.CONTINUOUS_TRAINING = {"GOLD_SETS": {TASK: str(path)}}
    said()
    said("Something else?")

    assert dataset(tmp_path / "out").left_out == {"held out": 1}


def test_nor_what_an_evaluation_has_asked_from_a_file(served: Served, tmp_path: Path) -> None:
    served.says["good"] = lambda asked: "x"
    compare([item("What does the lamp cost?")], incumbent=None)
    compare([item("What does the lamp cost?"), item("A?")], incumbent=None)
    said()
    said("Something else?")

    assert sorted(held_out_prompts()) == ["A?", "What does the lamp cost?", "What does the lamp cost?"]
    assert dataset(tmp_path / "out").left_out == {"held out": 1}


def test_a_question_about_an_image_keeps_no_other_image_out(settings: Any, tmp_path: Path) -> None:
    path = write_gold(tmp_path / "gold.jsonl", record(picture()))  # type: ignore[arg-type]  # parts of a message
    settings.CONTINUOUS_TRAINING = {"GOLD_SETS": {TASK: str(path)}}

    assert list(all_held_out()) == []


def test_a_gold_file_that_cannot_be_read_stops_the_export(settings: Any, tmp_path: Path) -> None:
    settings.CONTINUOUS_TRAINING = {"GOLD_SETS": {TASK: str(tmp_path / "gone.jsonl")}}
    said()

    with pytest.raises(GoldSetInvalid, match=r"gone\.jsonl cannot be read"):
        dataset(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_held_out_examples_can_be_evaluated(served: Served) -> None:
    several(3)
    hold_out(TASK, count=3)
    answers = {f"What does lamp {n} cost?": f"Lamp {n} costs {n} pounds." for n in range(3)}
    served.says |= {"good": answering(answers), "bad": answering({})}
    asked = held_out_set(TASK)

    evaluation = compare(asked.items, gold=asked)

    assert evaluation.gold["kind"] == "held out"
    assert evaluation.metrics["candidate"]["score"] == 1
    assert {row.example_id for row in evaluation.items.all()} == held_ids()


def test_when_they_were_held_out_is_kept() -> None:
    several(1)
    before = datetime.now(UTC)

    hold_out(TASK, count=1)

    assert before <= HeldOutExample.objects.get().held_out_at <= datetime.now(UTC)


def test_calls_of_the_application_are_held_out_too() -> None:
    response = call_llm("What is it?", task=TASK, training_metadata={})
    assert response.example_id
    save_review(response.example_id, by="anna", verdict="good")

    assert hold_out(TASK, count=1).new == 1
