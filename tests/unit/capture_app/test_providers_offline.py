"""The provider that asks nobody."""

import pytest

from capture_app.providers.base import Completion, CompletionBuilder, CompletionRequest
from capture_app.providers.offline import DEFAULT_MODEL, NOTICE, OfflineProvider


def request(prompt: str, *, model: str = "", system: str = "") -> CompletionRequest:
    before = [{"role": "system", "content": system}] if system else []
    return CompletionRequest(model=model, messages=[*before, {"role": "user", "content": prompt}])


def test_every_answer_says_that_no_model_was_asked() -> None:
    assert OfflineProvider().complete(request("Hello")).text.startswith(NOTICE)


def test_the_same_request_gets_the_same_answer() -> None:
    assert OfflineProvider().complete(request("Hello")) == OfflineProvider().complete(request("Hello"))


def test_another_prompt_gets_another_answer() -> None:
    long = "word " * 100

    assert OfflineProvider().complete(request(long)).text != OfflineProvider().complete(request(long + "end")).text


def test_the_prompt_is_quoted() -> None:
    assert "the price of tea" in OfflineProvider().complete(request("the price of tea")).text


def test_a_long_prompt_is_quoted_in_part() -> None:
    text = OfflineProvider().complete(request(" ".join(f"w{number}" for number in range(100)))).text

    assert "w39" in text
    assert "w40" not in text


def test_the_model_asked_for_is_the_one_named() -> None:
    assert OfflineProvider().complete(request("Hello", model="tuned-7")).model == "tuned-7"


def test_a_call_without_a_model_names_its_own() -> None:
    assert OfflineProvider().complete(request("Hello")).model == DEFAULT_MODEL


def test_tokens_are_counted_words() -> None:
    answer = OfflineProvider().complete(request("the price of tea", system="Be brief."))

    assert answer.input_tokens == 6
    assert answer.output_tokens == len(answer.text.split())


@pytest.mark.parametrize("prompt", ["", "\ud83d", "\0"])
def test_an_odd_prompt_is_answered_too(prompt: str) -> None:
    assert OfflineProvider().complete(request(prompt)).finish_reason == "stop"


def said(completion: Completion) -> tuple[object, ...]:
    return (
        completion.text,
        completion.model,
        completion.input_tokens,
        completion.output_tokens,
        completion.finish_reason,
        completion.response_id,
    )


def test_a_stream_adds_up_to_the_answer() -> None:
    builder = CompletionBuilder()
    for delta in OfflineProvider().stream(request("the price of tea")):
        builder.add(delta)

    assert said(builder.build()) == said(OfflineProvider().complete(request("the price of tea")))


def test_a_stream_comes_in_several_pieces() -> None:
    assert len([delta for delta in OfflineProvider().stream(request("the price of tea")) if delta.text]) > 1


async def test_an_async_stream_adds_up_to_the_answer() -> None:
    builder = CompletionBuilder()
    async for delta in OfflineProvider().astream(request("the price of tea")):
        builder.add(delta)

    assert said(builder.build()) == said(OfflineProvider().complete(request("the price of tea")))


async def test_an_awaited_answer_is_the_same() -> None:
    assert await OfflineProvider().acomplete(request("Hello")) == OfflineProvider().complete(request("Hello"))


async def test_latency_is_waited_for_and_changes_no_answer() -> None:
    slow = OfflineProvider(latency=0.001)

    expected: Completion = OfflineProvider().complete(request("Hello"))
    assert slow.complete(request("Hello")) == expected
    assert await slow.acomplete(request("Hello")) == expected
