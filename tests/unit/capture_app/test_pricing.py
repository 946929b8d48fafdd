"""What a call cost, by the table."""

from collections.abc import Callable
from typing import Any

import pytest

from capture_app import acall_llm, call_llm, record_example
from capture_app.pricing import cost_in_usd
from capture_app.providers.base import Completion, StreamDelta
from tests.unit.capture_app.captured import only_record
from tests.unit.capture_app.fake_providers import scripted

PRICES = {"small-1": {"input": 0.15, "cached_input": 0.075, "output": 0.6}}
ANSWER = StreamDelta(text="12 EUR", model="small-1", input_tokens=9, output_tokens=3, finish_reason="stop")


def completion(**fields: Any) -> Completion:
    return Completion(**{"text": "", "model": "small-1", "input_tokens": 1000, "output_tokens": 50, **fields})


def test_the_cost_is_tokens_times_prices(capture: Callable[..., None]) -> None:
    capture(PRICES=PRICES)

    assert cost_in_usd(completion(), "") == pytest.approx((1000 * 0.15 + 50 * 0.6) / 1e6)


def test_cached_tokens_are_priced_once(capture: Callable[..., None]) -> None:
    capture(PRICES=PRICES)

    assert cost_in_usd(completion(cached_input_tokens=900), "") == pytest.approx(
        (100 * 0.15 + 900 * 0.075 + 50 * 0.6) / 1e6
    )


def test_without_a_price_of_their_own_cached_tokens_cost_what_others_do(capture: Callable[..., None]) -> None:
    capture(PRICES={"small-1": {"input": 0.15, "output": 0.6}})

    assert cost_in_usd(completion(cached_input_tokens=900), "") == cost_in_usd(completion(), "")


def test_more_cached_tokens_than_tokens_never_make_a_call_cheaper_than_free(capture: Callable[..., None]) -> None:
    capture(PRICES=PRICES)

    cost = cost_in_usd(completion(cached_input_tokens=5000), "")

    assert cost == pytest.approx((1000 * 0.075 + 50 * 0.6) / 1e6)


def test_reasoning_tokens_are_among_the_output(capture: Callable[..., None]) -> None:
    capture(PRICES=PRICES)

    assert cost_in_usd(completion(reasoning_tokens=40), "") == cost_in_usd(completion(), "")


def test_the_model_is_looked_up_as_it_answered_and_then_as_it_was_asked(capture: Callable[..., None]) -> None:
    capture(PRICES={**PRICES, "small-1-2026": {"input": 1, "output": 1}})

    assert cost_in_usd(completion(model="small-1-2026"), "small-1") == pytest.approx(1050 / 1e6)
    assert cost_in_usd(completion(model="small-1-2027"), "small-1") == cost_in_usd(completion(), "")


def test_a_model_that_costs_nothing_costs_nothing(capture: Callable[..., None]) -> None:
    capture(PRICES={"small-1": {"input": 0, "output": 0}})

    assert cost_in_usd(completion(), "") == 0


@pytest.mark.parametrize("fields", [{"model": "large-9"}, {"input_tokens": None}, {"output_tokens": None}])
def test_what_cannot_be_told_is_none(capture: Callable[..., None], fields: dict[str, Any]) -> None:
    capture(PRICES=PRICES)

    assert cost_in_usd(completion(**fields), "") is None


def test_without_a_table_there_is_no_cost() -> None:
    assert cost_in_usd(completion(), "") is None


def test_the_cost_is_in_the_response_and_in_the_record(capture: Callable[..., None]) -> None:
    capture(**scripted(ANSWER), PRICES=PRICES)

    response = call_llm("What is the price?", training_metadata={})

    assert response.cost_usd == only_record()["metadata"]["gleaner"]["cost_usd"] == pytest.approx(3.15e-6)


def test_record_example_has_a_cost(capture: Callable[..., None]) -> None:
    capture(PRICES=PRICES)

    record_example(provider="p", model="small-1", prompt="x", input_tokens=9, output_tokens=3)

    assert only_record()["metadata"]["gleaner"]["cost_usd"] == pytest.approx(3.15e-6)


ODD_TABLES: dict[str, Any] = {
    "no price of the output": {"small-1": {"input": 0.15}},
    "no price of the input": {"small-1": {"output": 0.6}},
    "a text": {"small-1": {"input": "0.15", "output": "0.6"}},
    "a price that is none": {"small-1": {"input": None, "output": 0.6}},
    "a number in place of a model's prices": {"small-1": 0.15},
    "a list in place of the table": ["small-1"],
}


@pytest.mark.parametrize("name", ODD_TABLES)
def test_an_odd_table_breaks_no_call(capture: Callable[..., None], name: str) -> None:
    capture(**scripted(ANSWER), PRICES=ODD_TABLES[name])

    response = call_llm("What is the price?", training_metadata={})

    assert (response.text, response.cost_usd) == ("12 EUR", None)
    assert only_record()["id"] == response.example_id


@pytest.mark.parametrize("name", ODD_TABLES)
async def test_an_odd_table_breaks_no_awaited_call(capture: Callable[..., None], name: str) -> None:
    capture(**scripted(ANSWER), PRICES=ODD_TABLES[name])

    assert (await acall_llm("What is the price?")).text == "12 EUR"


@pytest.mark.parametrize("name", ODD_TABLES)
def test_an_odd_table_breaks_no_stream(capture: Callable[..., None], name: str) -> None:
    capture(**scripted(ANSWER), PRICES=ODD_TABLES[name])

    stream = call_llm("What is the price?", stream=True, training_metadata={})

    assert [delta.text for delta in stream] == ["12 EUR"]
    assert stream.response.cost_usd is None
    assert only_record()["response_strong"] == "12 EUR"


@pytest.mark.parametrize("name", ODD_TABLES)
def test_an_odd_table_loses_no_example_of_other_code(capture: Callable[..., None], name: str) -> None:
    capture(PRICES=ODD_TABLES[name])

    assert record_example(provider="p", model="small-1", prompt="x", input_tokens=9, output_tokens=3) is not None


@pytest.mark.parametrize(
    "odd", [{"model": ["small-1"]}, {"model": {"a": 1}}, {"input_tokens": "9"}, {"cached_input_tokens": "9"}]
)
def test_odd_figures_of_a_provider_break_no_call(capture: Callable[..., None], odd: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"model": "small-1", "input_tokens": 9, "output_tokens": 3, **odd}
    capture(**scripted(StreamDelta(text="12 EUR", finish_reason="stop", **fields)), PRICES=PRICES)

    assert call_llm("What is the price?", training_metadata={}).text == "12 EUR"
