"""All formats at once: their names, and that no example, whatever its shape, is more than refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.training_archive.exports.formats.examples import (
    WEATHER,
    call,
    example,
    parallel_calls,
    said,
    write_export,
)
from training_archive.exports.formats import FORMATS, get_format
from training_archive.exports.formats.base import Pair, Refused, ShardLimits

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
KINDS = ("text", "image_url", "input_audio", "file", "refusal", "reasoning", "other")

texts = st.text(st.characters(codec=None), max_size=8)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def nearly(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with some of the fields, each as it should be or as it should not."""
    return st.fixed_dictionaries({}, optional={key: st.one_of(value, value, anything) for key, value in fields.items()})


calls = st.lists(
    nearly(
        id=st.sampled_from("ab"),
        type=st.sampled_from(("function", "custom")),
        function=nearly(name=texts, arguments=st.sampled_from(("{}", '{"a": 1}', "[", "[1]", "1e999", "", "9" * 30))),
    ),
    max_size=3,
)
parts = st.lists(
    nearly(
        type=st.sampled_from(KINDS),
        text=texts | st.just("blob:sha256:" + "0" * 64),
        image_url=nearly(url=texts | st.just("blob:sha256:" + "0" * 64), detail=texts),
        input_audio=nearly(data=texts, format=texts),
        file=nearly(file_data=texts, file_id=texts),
        refusal=texts,
    ),
    max_size=3,
)
usual_messages = st.sampled_from(
    (said("user", "Hi"), said("assistant", "Yes?"), *parallel_calls()["metadata"]["gleaner"]["messages"])
)
odd_messages = nearly(
    role=st.sampled_from(ROLES),
    content=texts | parts,
    tool_calls=calls,
    tool_call_id=st.sampled_from("ab"),
    name=texts,
)
messages = st.lists(usual_messages | odd_messages, max_size=6)
tools = st.lists(st.just(WEATHER) | nearly(type=st.just("function"), function=nearly(name=texts, parameters=anything)))
gleaner = nearly(
    messages=messages,
    tools=tools,
    tool_calls=calls,
    parameters=anything,
    blobs=st.dictionaries(st.just("0" * 64) | texts, anything, max_size=2),
    partial=st.booleans(),
)
examples = nearly(
    id=texts,
    task=texts,
    prompt_text=texts,
    system_prompt=texts,
    response_strong=texts | st.just(json.dumps([call("a")])),
    metadata=nearly(gleaner=gleaner, correction=texts),
    slot_specs=anything,
    input_tokens=st.integers(),
    created_at=st.datetimes() | st.none(),
)


def test_the_formats_have_the_names_that_are_promised() -> None:
    assert set(FORMATS) == {
        "openai-chat",
        "openai-preference",
        "trl-messages",
        "trl-prompt-completion",
        "trl-preference",
        "sharegpt",
        "alpaca",
        "csv",
        "parquet",
        "hf-dataset",
        "extraction",
    }
    assert {name for name, kind in FORMATS.items() if kind.wants_pairs} == {"openai-preference", "trl-preference"}


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_left_of_a_writer_that_is_not_closed(name: str, tmp_path: Path) -> None:
    kind = get_format(name, data_dir=tmp_path)
    item = Pair(example(response_strong="Six."), example()) if kind.wants_pairs else example()
    folder, scratch = tmp_path / "out", tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()

    with kind.open(folder, "train", ShardLimits(), scratch) as writer:
        writer.write(kind.convert(item))

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_examples_make_the_same_bytes(name: str, tmp_path: Path) -> None:
    items: list[Any] = [example(), parallel_calls()]
    if name == "alpaca":
        items = [example()]
    if FORMATS[name].wants_pairs:
        items = [Pair({**item, "response_strong": "Six."}, item) for item in items]

    first = write_export(name, tmp_path / "first", items)
    second = write_export(name, tmp_path / "second", items)

    assert [shard.sha256 for shard in first] == [shard.sha256 for shard in second]


def fields_of(record: Any) -> Any:
    return record.line.decode() if hasattr(record, "line") else json.loads(record)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(first=examples, second=examples, whole=st.booleans())
def test_an_example_of_any_shape_is_a_line_of_json_or_refused(
    name: str, first: dict[str, Any], second: dict[str, Any], whole: bool
) -> None:
    complete: Callable[..., dict[str, Any]] = example if whole else dict
    one, other = complete(**first), complete(**second)
    kind = get_format(name, data_dir=Path("/nowhere"))

    try:
        record = kind.convert(Pair(one, other) if kind.wants_pairs else one)
    except Refused:
        return
    assert fields_of(record)
