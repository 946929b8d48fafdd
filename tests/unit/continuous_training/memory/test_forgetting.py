"""What is remembered goes with its example, its user and its conversation, and so does what repeats it."""

from collections.abc import Callable
from typing import Any

import pytest

from capture_app import call_llm, pseudonym
from capture_app.conf import capture_settings
from capture_app.models import ExampleIndex, ForgottenExample
from capture_app.put_aside import Wanted
from capture_app.services import drain_captures, rotate_live_database
from continuous_training.memory import late
from continuous_training.memory.forgetting import erase_memories, said_again
from continuous_training.memory.late import forget_late_repetitions
from continuous_training.memory.settings import TASK
from continuous_training.memory.updating import update_memories
from continuous_training.models import Memory, Repetition
from tests.unit.capture_app.captured import stored
from tests.unit.continuous_training.memory.material import remembered, said, summaries, summarising
from training_archive.conf import archive_settings
from training_archive.exceptions import ArchiveBusy
from training_archive.locks import only_run
from training_archive.sealed import sealed_folder
from training_archive.services import archive_training_data, forget

pytestmark = pytest.mark.django_db

TEA = "I like green tea in the morning."
ASKED = "Which green tea do I like in the morning?"


def recalling_call(user: str = "ada", *, caller: str = "") -> str:
    """A captured call for which something was recalled; its id."""
    example_id = call_llm(ASKED, training_metadata={"user_id": caller or user}, memory=user).example_id
    assert example_id is not None
    drain_captures()
    return example_id


# --- What is erased --------------------------------------------------------------------------------------------------


def test_a_memory_goes_with_its_example_its_user_and_its_conversation() -> None:
    for example_id, user, conversation in (("a", "ada", ""), ("b", "bob", ""), ("c", "cy", "c1"), ("d", "di", "")):
        remembered(TEA, example_id=example_id, user=user, conversation=conversation)
    Memory.objects.create(pk="nothing", user_id="bob", created_at=Memory.objects.all()[0].created_at)

    assert erase_memories(Wanted(ids=["a"], users=["bob", "ada"], conversations=["c1", ""])) == 3
    assert list(Memory.objects.values_list("pk", flat=True)) == ["d"]
    assert erase_memories(Wanted(ids=["a"])) == 0


def test_a_user_is_forgotten_under_the_pseudonym_too() -> None:
    said(TEA, user=pseudonym("ada"))
    update_memories()
    receipt = forget(by="dpo", user="ada").receipts[0]

    assert not Memory.objects.exists()
    assert receipt.removed["memories"] == 1


def test_what_is_erased_is_not_remembered_anew() -> None:
    example_id = said(TEA)
    update_memories()
    forget(by="dpo", ids=[example_id])

    assert update_memories().remembered == 0
    assert not Memory.objects.exists()


def test_a_memory_whose_example_was_pruned_goes_with_its_user() -> None:
    remembered(TEA, example_id="pruned")
    forget(by="dpo", user="ada")

    assert not Memory.objects.exists()


# --- What repeats it -------------------------------------------------------------------------------------------------


def test_the_call_that_summarised_an_exchange_goes_with_it(capture: Callable[..., None]) -> None:
    capture(**summarising("Ada likes tea."))
    example_id = said(TEA)
    other = said("The invoice was sent to Lyon.")
    update_memories()
    drain_captures()
    assert len(stored()) == 4

    forget(by="dpo", ids=[example_id])

    assert summaries() == ["Ada likes tea."]  # of the other
    assert sorted(ExampleIndex.objects.values_list("task", flat=True)) == ["chat", TASK]
    assert ExampleIndex.objects.filter(pk=other).exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("place", ["live", "sealed", "archived"])
def test_a_call_for_which_it_was_recalled_goes_with_it(place: str) -> None:
    example_id = said(TEA)
    update_memories()
    again = recalling_call(caller="agent")
    if place == "sealed":
        sealed_folder().mkdir()
        sealed = sealed_folder() / "llm_training_chunk_20260101T000000_000000Z.duckdb"
        rotate_live_database(db_path=capture_settings().live_database, sealed=sealed)
    if place == "archived":
        update_memories()
        archive_training_data()

    assert said_again(Wanted(ids=[example_id])) == {again}
    forget(by="dpo", ids=[example_id])

    assert not ExampleIndex.objects.exists()
    assert said_again(Wanted(ids=[example_id])) == set()


def test_what_repeats_a_repetition_goes_too() -> None:
    Repetition.objects.create(example_id="b", of_example_id="a")
    Repetition.objects.create(example_id="c", of_example_id="b")
    Repetition.objects.create(example_id="a", of_example_id="c")
    Repetition.objects.create(example_id="y", of_example_id="x")

    assert said_again(Wanted(ids=["a"])) == {"b", "c"}


def test_of_a_user_what_repeats_pruned_examples_is_found_by_the_memories() -> None:
    remembered(TEA, example_id="pruned")
    Repetition.objects.create(example_id="agents call", of_example_id="pruned")

    assert said_again(Wanted(users=["ada"])) == {"agents call"}


def test_without_memories_nothing_is_searched(capture: Callable[..., None], data_dir: Any) -> None:
    capture()

    assert said_again(Wanted(ids=["a"])) == set()
    assert not data_dir.exists()


# --- What comes too late ---------------------------------------------------------------------------------------------


def test_what_was_made_while_it_was_forgotten_is_erased_by_the_next_run(capture: Callable[..., None]) -> None:
    capture(**summarising("Ada likes tea."))
    example_id = said(TEA)
    update_memories()  # its call is not drained yet, as if made while the example was forgotten
    ForgottenExample.objects.create(pk=example_id, erasure="e")
    drain_captures()

    update_memories()
    assert ExampleIndex.objects.filter(task=TASK).exists()

    assert update_memories().forgotten == 1
    assert not ExampleIndex.objects.filter(task=TASK).exists()
    assert forget_late_repetitions() == 0


def test_what_cannot_be_erased_now_is_left_to_the_next_run(caplog: pytest.LogCaptureFixture) -> None:
    ForgottenExample.objects.create(pk="a", erasure="e")
    Repetition.objects.create(example_id="b", of_example_id="a")
    with only_run(sealed_folder(), archive_settings().zip_path):
        assert forget_late_repetitions() == 0

    assert ArchiveBusy.__name__ in caplog.text
    assert late.forget_late_repetitions() == 1
    assert ForgottenExample.objects.filter(pk="b").exists()
    assert not Repetition.objects.exists()
