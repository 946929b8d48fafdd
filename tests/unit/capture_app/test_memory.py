"""call_llm(memory=...): who is remembered, what is sent and recorded, and that nothing breaks a call or holds it up."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from capture_app import acall_llm, call_llm, capture_context, log_once
from capture_app.exceptions import CaptureConfigurationError
from capture_app.memory import MARK, is_usable_id, with_recalled, without_recalled
from capture_app.metrics import capture_counts
from capture_app.providers import get_provider
from capture_app.providers.base import StreamDelta
from tests.unit.capture_app import memories
from tests.unit.capture_app.captured import only_record
from tests.unit.capture_app.fake_providers import ScriptedProvider, scripted
from tests.unit.capture_app.processes import in_child

USER = {"user_id": "ada"}
NOTE = {"role": "system", "content": memories.TEXT}
QUESTION = {"role": "user", "content": "What shall I drink?"}

Configure = Callable[..., None]


@pytest.fixture(autouse=True)
def remembering(capture: Configure) -> Iterator[Configure]:
    """Answers by a script, and a memory that recalls; call it with the name of another in `memories`."""

    def configure(memory: str = "recalls", **keys: Any) -> None:
        answer = scripted(StreamDelta(text="Tea."), StreamDelta(finish_reason="stop"))
        dotted_path = f"{memories.__name__}.{memory}" if memory else ""
        capture(**{**answer, "MEMORY": dotted_path, "MEMORY_SECONDS": 20, **keys})

    configure()
    memories.asked.clear()
    memories.threads.clear()
    memories.go_on.clear()
    log_once._log.cache_clear()
    yield configure
    memories.go_on.set()


def sent() -> list[Any]:
    """The messages of the one request that was sent."""
    provider = get_provider("scripted")
    assert isinstance(provider, ScriptedProvider)
    [request] = provider.requests
    return list(request.messages)


# --- Who is remembered -----------------------------------------------------------------------------------------------


def test_a_call_without_memory_asks_nobody() -> None:
    call_llm("What shall I drink?", training_metadata=USER)
    call_llm("What shall I drink?", training_metadata=USER, memory=False)

    assert memories.asked == []


@pytest.mark.parametrize(
    ("memory", "metadata"),
    [
        (True, USER),
        ("ada", {}),
        ("ada", None),
        ({"user_id": "ada"}, {}),
        ({"user_id": True}, USER),
        ({}, USER),
        (True, {"user_id": "ada", "conversation_id": None}),
    ],
)
def test_the_user_is_the_calls_or_the_one_that_is_named(memory: Any, metadata: Any) -> None:
    call_llm("What shall I drink?", training_metadata=metadata, memory=memory)

    assert memories.asked == [("ada", [QUESTION], {})]


def test_the_context_names_user_and_conversation() -> None:
    with capture_context(user_id=17, conversation_id="c1"):  # type: ignore[arg-type]  # a primary key, as Django has it
        call_llm("What shall I drink?", memory={"tokens": 100})

    [(user_id, _, options)] = memories.asked
    assert (user_id, options) == ("17", {"conversation_id": "c1", "tokens": 100})


@pytest.mark.parametrize(
    "user_id", [None, "", "a\0b", "a\ud800", f"a{chr(0xFFFD)}", "a" * 501, 1.5, ["ada"], {"ada": 1}, object()]
)
def test_nobody_is_remembered_under_what_is_no_id_of_one_user(user_id: Any) -> None:
    call_llm("What shall I drink?", training_metadata={"user_id": user_id}, memory=True)

    assert memories.asked == []
    assert sent() == [QUESTION]


def test_ids_are_told_apart_as_they_are_written() -> None:
    assert [is_usable_id(each) for each in ("ada", " ada", "ADA", "ådä", "a'; --", "%")] == [True] * 6


def test_a_memory_that_is_not_set_up_is_a_wrong_setting(remembering: Configure) -> None:
    remembering("")

    with pytest.raises(CaptureConfigurationError, match=r"set TRAINING_CAPTURE\['MEMORY'\]"):
        call_llm("What shall I drink?", training_metadata=USER, memory=True)


def test_a_memory_that_is_nowhere_is_a_wrong_setting(remembering: Configure) -> None:
    remembering("nowhere")

    with pytest.raises(CaptureConfigurationError, match=r"TRAINING_CAPTURE\['MEMORY'\] cannot be used"):
        call_llm("What shall I drink?", training_metadata=USER, memory=True)


def test_an_impossible_call_is_refused_before_anybody_is_asked() -> None:
    with pytest.raises(ValueError, match="Give either a prompt or messages"):
        call_llm(training_metadata=USER, memory=True)

    assert memories.asked == []


# --- What is sent, and what is recorded ------------------------------------------------------------------------------


def test_what_is_recalled_stands_behind_the_callers_own_system_message() -> None:
    call_llm("What shall I drink?", system_prompt="Be brief.", training_metadata=USER, memory=True)

    assert sent() == [{"role": "system", "content": "Be brief."}, NOTE, QUESTION]


def test_it_stands_before_all_that_was_said() -> None:
    said = [QUESTION, {"role": "assistant", "content": "Coffee?"}, {"role": "user", "content": "No."}]
    call_llm(messages=said, training_metadata=USER, memory=True)

    assert sent() == [NOTE, *said]


def test_the_example_has_the_messages_as_sent_and_says_what_was_recalled() -> None:
    call_llm("What shall I drink?", system_prompt="Be brief.", training_metadata=USER, memory=True)

    record = only_record()
    noted = record["metadata"]["gleaner"]
    assert noted[MARK] == ["e1", "e2"]
    assert noted["messages"] == sent()
    assert record["system_prompt"] == f"Be brief.\n\n{memories.TEXT}"
    assert record["prompt_text"] == "What shall I drink?"


def test_what_was_recalled_can_be_taken_out_again() -> None:
    own = [{"role": "system", "content": "Be brief."}, {"role": "developer", "content": "In French."}, QUESTION]

    assert without_recalled(with_recalled(own, "a note")) == own
    assert without_recalled(with_recalled([QUESTION], "a note")) == [QUESTION]
    assert without_recalled([QUESTION]) == [QUESTION]


def test_a_user_that_only_memory_names_is_recorded_with_the_example() -> None:
    call_llm("What shall I drink?", training_metadata={"page": 1}, memory="ada")

    assert only_record()["metadata"]["gleaner"]["user_id"] == "ada"


def test_a_user_that_the_call_names_stays_the_examples() -> None:
    call_llm("What does Ada drink?", training_metadata={"user_id": "agent"}, memory="ada")

    assert only_record()["metadata"]["gleaner"]["user_id"] == "agent"


def test_a_call_that_is_not_captured_stays_uncaptured() -> None:
    response = call_llm("What shall I drink?", memory="ada")

    assert response.example_id is None
    assert sent() == [NOTE, QUESTION]


def test_a_memory_may_be_a_plain_text(remembering: Configure) -> None:
    remembering("says")
    call_llm("What shall I drink?", training_metadata=USER, memory=True)

    assert sent() == [NOTE, QUESTION]
    assert only_record()["metadata"]["gleaner"][MARK] == []


def test_a_call_for_which_nothing_is_recalled_is_as_any_other(remembering: Configure) -> None:
    remembering("has_nothing")
    call_llm("What shall I drink?", training_metadata={}, memory="ada")

    assert sent() == [QUESTION]
    assert only_record()["metadata"]["gleaner"] == {
        "user_id": "ada",
        "finish_reason": "stop",
        "requested_model": "scripted-1",
    }


def test_a_stream_is_remembered_for() -> None:
    with call_llm("What shall I drink?", training_metadata=USER, memory=True, stream=True) as stream:
        assert "".join(delta.text for delta in stream) == "Tea."

    assert sent() == [NOTE, QUESTION]
    assert only_record()["metadata"]["gleaner"][MARK] == ["e1", "e2"]


async def test_an_asynchronous_call_is_remembered_for_in_another_thread() -> None:
    await acall_llm("What shall I drink?", training_metadata=USER, memory=True)

    assert sent() == [NOTE, QUESTION]
    assert threading.current_thread() not in memories.threads


async def test_an_asynchronous_stream_is_remembered_for() -> None:
    stream = await acall_llm("What shall I drink?", training_metadata=USER, memory=True, stream=True)
    async with stream:
        assert "".join([delta.text async for delta in stream]) == "Tea."

    assert sent() == [NOTE, QUESTION]


# --- What goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", ["raises", "is_wrong"])
def test_a_memory_that_fails_does_not_break_the_call(
    memory: str, remembering: Configure, caplog: pytest.LogCaptureFixture
) -> None:
    remembering(memory)
    for _ in range(2):
        assert call_llm("What shall I drink?", memory="ada").text == "Tea."

    assert capture_counts().memory_failures == 2
    [logged] = caplog.records
    assert "without memory" in logged.getMessage()


async def test_a_memory_that_fails_does_not_break_an_asynchronous_call(remembering: Configure) -> None:
    remembering("raises")

    assert (await acall_llm("What shall I drink?", memory="ada")).text == "Tea."
    assert capture_counts().memory_failures == 1


def test_a_memory_that_hangs_is_not_waited_for(remembering: Configure) -> None:
    remembering("hangs", MEMORY_SECONDS=0.01)

    assert call_llm("What shall I drink?", training_metadata=USER, memory=True).text == "Tea."
    assert not memories.go_on.is_set()
    assert sent() == [QUESTION]
    assert MARK not in only_record()["metadata"]["gleaner"]
    assert capture_counts().memory_failures == 1


async def test_a_memory_that_hangs_is_not_waited_for_by_an_asynchronous_call(remembering: Configure) -> None:
    remembering("hangs", MEMORY_SECONDS=0.01)

    assert (await acall_llm("What shall I drink?", training_metadata=USER, memory=True)).text == "Tea."
    assert not memories.go_on.is_set()
    assert sent() == [QUESTION]


def test_when_many_hang_no_more_are_begun(remembering: Configure, caplog: pytest.LogCaptureFixture) -> None:
    remembering("hangs", MEMORY_SECONDS=0.001)
    for _ in range(33):
        call_llm("What shall I drink?", memory="ada")

    assert sum(thread.name == "gleaner-memory" for thread in threading.enumerate()) == 32
    assert ["TimeoutError" in logged.getMessage() for logged in caplog.records] == [True, False]
    assert capture_counts().memory_failures == 33


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_remembers_by_itself(remembering: Configure) -> None:
    remembering("hangs", MEMORY_SECONDS=0.001)
    for _ in range(33):
        call_llm("What shall I drink?", memory="ada")
    remembering("recalls")

    def child() -> list[Any]:
        call_llm("What shall I drink?", memory="ada")
        return sent()

    assert in_child(child) == str([NOTE, QUESTION])
