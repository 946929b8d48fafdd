"""Calls over stored routes: what steps in, what is recorded, what is counted."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from capture_app import acall_llm, call_llm
from capture_app.providers.base import Completion, CompletionRequest
from capture_app.routing.board import get_board
from capture_app.routing.config import Target
from capture_app.routing.outcomes import ANSWERED, FAILED, counter
from tests.unit.capture_app.captured import only_record, waiting_records
from tests.unit.capture_app.fake_providers import ScriptedProvider, ServiceDown
from tests.unit.capture_app.routing.conftest import configured, provider, target

Publish = Callable[..., None]


def counted(name: str, outcome: str) -> int:
    return get_board().counts().get(counter("shop", Target(name, "m"), outcome), 0)


def own(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = record["metadata"]["gleaner"]
    return found


def within_seconds(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


async def ask(how: str) -> str:
    """A call of the task, one way or another; the answer's provider."""
    if how == "call":
        return call_llm("How much?", task="shop", training_metadata={}).provider
    if how == "acall":
        return (await acall_llm("How much?", task="shop", training_metadata={})).provider
    if how == "stream":
        stream = call_llm("How much?", task="shop", training_metadata={}, stream=True)
        list(stream)
        return stream.response.provider
    astream = await acall_llm("How much?", task="shop", training_metadata={}, stream=True)
    async for _ in astream:
        pass
    return astream.response.provider


WAYS = pytest.mark.parametrize("how", ["call", "acall", "stream", "astream"])


@WAYS
async def test_the_example_says_which_route_led_to_it(publish: Publish, how: str) -> None:
    publish(version=7, targets=[target("new")])

    assert await ask(how) == "new"

    assert own(only_record())["route"] == {"name": "shop", "version": 7}
    assert counted("new", ANSWERED) == 1


@WAYS
async def test_the_fallback_answers_when_the_chosen_one_fails(publish: Publish, how: str) -> None:
    publish(targets=[target("broken")], fallback=target("old"))

    assert await ask(how) == "old"

    record = only_record()
    assert (record["provider"], record["model_name"]) == ("old", "m")
    assert own(record)["fell_back"] == {"from": "broken/m", "error": "ServiceDown"}
    assert (counted("broken", FAILED), counted("old", ANSWERED)) == (1, 1)


@WAYS
async def test_without_a_fallback_the_error_is_the_callers(publish: Publish, how: str) -> None:
    publish(targets=[target("broken")])

    with pytest.raises(ServiceDown):
        await ask(how)

    assert waiting_records() == []
    assert counted("broken", FAILED) == 1


@WAYS
async def test_when_both_fail_so_does_the_call(capture: Callable[..., None], publish: Publish, how: str) -> None:
    capture(**configured(old=None, new=ServiceDown("first"), broken=ServiceDown("second")))
    publish(targets=[target("new")], fallback=target("broken"))

    # Of a stream, the fallback's own has begun already, and is read when it fails.
    with pytest.raises(ServiceDown, match="second" if "stream" in how else "first"):
        await ask(how)

    assert counted("broken", FAILED) == counted("new", FAILED) == 1


def test_a_target_whose_provider_is_gone_falls_back_as_one_that_fails(publish: Publish) -> None:
    publish(targets=[target("gone")], fallback=target("old"))

    assert call_llm("How much?", task="shop").provider == "old"


def test_the_caller_that_interrupts_is_given_no_fallback(capture: Callable[..., None], publish: Publish) -> None:
    capture(**configured(old=None, new=KeyboardInterrupt()))  # type: ignore[arg-type]  # no Exception, on purpose
    publish(targets=[target("new")], fallback=target("old"))

    with pytest.raises(KeyboardInterrupt):
        call_llm("How much?", task="shop")

    assert provider("old").requests == []


def test_the_shadow_is_asked_the_same_and_recorded_beside_the_answer(publish: Publish) -> None:
    publish(targets=[target("old")], shadow=target("new", "small"))

    response = call_llm("How much?", task="shop", training_metadata={"page": 1})

    assert response.provider == "old"
    assert within_seconds(lambda: len(waiting_records()) == 2)
    [shadow] = [record for record in waiting_records() if record["id"] != response.example_id]
    assert (shadow["provider"], shadow["task"], shadow["prompt_text"]) == ("new", "shop", "How much?")
    assert (own(shadow)["shadow_of"], shadow["metadata"]["page"]) == (response.example_id, 1)
    assert provider("new").requests[0].model == "small"


def test_a_shadow_that_fails_is_counted_and_nobody_elses(publish: Publish) -> None:
    publish(targets=[target("old")], shadow=target("broken"))

    assert call_llm("How much?", task="shop", training_metadata={}).provider == "old"

    assert within_seconds(lambda: counted("broken", FAILED) == 1)
    only_record()


@pytest.mark.parametrize(
    ("said", "metadata"),
    [({"shadow_share": 0}, {}), ({}, None)],
    ids=["none in its share", "a call that is not captured"],
)
def test_the_shadow_is_not_asked(publish: Publish, said: dict[str, Any], metadata: dict[str, Any] | None) -> None:
    publish(targets=[target("old")], shadow=target("new"), **said)

    call_llm("How much?", task="shop", training_metadata=metadata)
    time.sleep(0.05)  # in which a thread would have asked

    assert provider("new").requests == []


def test_what_the_caller_changes_afterwards_does_not_reach_the_shadow(publish: Publish) -> None:
    publish(targets=[target("old")], shadow=target("new"))
    messages = [{"role": "user", "content": "How much?"}]

    call_llm(messages=messages, task="shop", training_metadata={})
    messages[0]["content"] = "changed"

    assert within_seconds(lambda: bool(provider("new").requests))
    assert provider("new").requests[0].messages == [{"role": "user", "content": "How much?"}]


def test_shadows_that_wait_in_vain_are_dropped_and_slow_nobody(
    publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    complete = ScriptedProvider.complete

    def hanging(self: ScriptedProvider, request: CompletionRequest) -> Completion:
        assert self is not provider("new") or release.wait(10)
        return complete(self, request)

    monkeypatch.setattr(ScriptedProvider, "complete", hanging)
    publish(targets=[target("old")], shadow=target("new"))

    for _ in range(60):
        assert call_llm("How much?", task="shop", training_metadata={}).provider == "old"

    release.set()
    assert within_seconds(lambda: counted("new", ANSWERED) >= 32)
    assert counted("new", ANSWERED) <= 36  # four that are asked, and those that wait
