"""The columns, identity and encoding of an example."""

import hashlib
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture_app.example import COLUMNS, JSON_COLUMNS, llm_signature, new_example_id, prompt_hash
from capture_app.services import drain_captures
from tests.unit.capture_app.captured import example, spool, stored_rows
from tests.unit.capture_app.processes import in_child

# --- Columns -----------------------------------------------------------------------------------------------------


def test_the_columns_are_the_fifteen_that_consumers_read() -> None:
    assert list(COLUMNS.items()) == [
        ("id", "VARCHAR"),
        ("task", "VARCHAR"),
        ("prompt_text", "VARCHAR"),
        ("system_prompt", "VARCHAR"),
        ("response_strong", "VARCHAR"),
        ("metadata", "JSON"),
        ("slot_specs", "JSON"),
        ("llm_signature", "VARCHAR"),
        ("provider", "VARCHAR"),
        ("model_name", "VARCHAR"),
        ("input_tokens", "BIGINT"),
        ("output_tokens", "BIGINT"),
        ("latency_ms", "BIGINT"),
        ("created_at", "TIMESTAMP"),
        ("prompt_hash", "VARCHAR"),
    ]


def test_a_record_has_the_columns_in_their_order() -> None:
    assert list(orjson.loads(example().to_json_line())) == list(COLUMNS)


def test_metadata_and_slot_specs_are_json() -> None:
    assert JSON_COLUMNS == ("metadata", "slot_specs")


# --- Ids ---------------------------------------------------------------------------------------------------------


def test_an_id_is_a_uuid_of_version_7() -> None:
    found = uuid.UUID(new_example_id())

    assert found.version == 7
    assert found.variant == uuid.RFC_4122


def test_an_id_is_written_the_usual_way() -> None:
    text = new_example_id()

    assert str(uuid.UUID(text)) == text


def test_an_id_begins_with_its_milliseconds() -> None:
    before = time.time_ns() // 1_000_000
    milliseconds = uuid.UUID(new_example_id()).int >> 80
    after = time.time_ns() // 1_000_000

    assert before <= milliseconds <= after + 1


def test_ids_sort_in_the_order_they_were_made() -> None:
    ids = [new_example_id() for _ in range(5000)]

    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_ids_do_not_go_back_when_the_clock_does(monkeypatch: pytest.MonkeyPatch) -> None:
    before = new_example_id()
    an_hour_ago = time.time_ns() - 3600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: an_hour_ago)

    after = [new_example_id() for _ in range(3)]

    assert [before, *after] == sorted([before, *after])


def test_ids_stay_unique_while_the_clock_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now)

    assert len({new_example_id() for _ in range(1000)}) == 1000


def test_a_fork_repeats_no_id_of_its_parent() -> None:
    def ids() -> str:
        return " ".join(new_example_id() for _ in range(500))

    of_children = [*in_child(ids).split(), *in_child(ids).split()]
    of_parent = ids().split()

    assert len({*of_children, *of_parent}) == 1500


# --- Hash and signature ------------------------------------------------------------------------------------------


def test_the_prompt_hash_is_sha256_over_system_prompt_nul_prompt() -> None:
    assert prompt_hash("Be brief.", "What ist's?") == hashlib.sha256(b"Be brief.\0What ist's?").hexdigest()


def test_the_prompt_hash_knows_where_the_system_prompt_ends() -> None:
    assert prompt_hash("ab", "c") != prompt_hash("a", "bc")


def test_a_lone_surrogate_can_be_hashed() -> None:
    assert prompt_hash("", "\ud83d") != prompt_hash("", "\ud83e")


def test_a_signature_is_sixteen_hex_digits() -> None:
    assert len(llm_signature("openai", "gpt", {})) == 16
    assert int(llm_signature("openai", "gpt", {}), 16) >= 0


def test_a_signature_hashes_sorted_compact_json() -> None:
    canonical = b'["openai","gpt-5",{"parameters":{"max_tokens":5,"temperature":0.5}}]'
    settings_of_call = {"parameters": {"temperature": 0.5, "max_tokens": 5}}

    assert llm_signature("openai", "gpt-5", settings_of_call) == hashlib.sha256(canonical).hexdigest()[:16]


def test_a_plain_call_has_the_signature_of_empty_settings() -> None:
    canonical = b'["openai","gpt-5",{}]'

    assert llm_signature("openai", "gpt-5", {}) == hashlib.sha256(canonical).hexdigest()[:16]


@pytest.mark.parametrize(
    ("provider", "model", "call_settings"),
    [
        ("other", "gpt", {"parameters": {"temperature": 0}}),
        ("openai", "other", {"parameters": {"temperature": 0}}),
        ("openai", "gpt", {"parameters": {"temperature": 1}}),
        ("openai", "gpt", {"tools": [{"type": "function"}]}),
        ("openai", "gpt", {"response_format": {"type": "json_object"}}),
        ("openai", "gpt", {}),
    ],
)
def test_whatever_shapes_the_answer_changes_the_signature(
    provider: str, model: str, call_settings: dict[str, Any]
) -> None:
    assert llm_signature(provider, model, call_settings) != llm_signature(
        "openai", "gpt", {"parameters": {"temperature": 0}}
    )


def test_the_order_of_parameters_does_not_change_the_signature() -> None:
    one = llm_signature("openai", "gpt", {"parameters": {"temperature": 0, "max_tokens": 5}})

    assert one == llm_signature("openai", "gpt", {"parameters": {"max_tokens": 5, "temperature": 0}})


def test_a_signature_takes_settings_that_are_no_json() -> None:
    assert len(llm_signature("openai", "gpt", {"parameters": {"stop": {"\ud83d"}, "big": 2**70}})) == 16


# --- Encoding ----------------------------------------------------------------------------------------------------


def written(value: Any) -> Any:
    """`value` in the metadata of an example, after its way through JSON."""
    line = example(metadata={"value": value}).to_json_line()
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    return orjson.loads(line)["metadata"]["value"]


@pytest.mark.parametrize("text", ["", "line\nbreak", "\r\n", "\0", "\u2028\u2029", "\x85", "zażółć 🙂", '"\\'])
def test_text_comes_back_as_it_was(text: str) -> None:
    assert written(text) == text


def test_a_lone_surrogate_is_replaced_and_the_text_around_it_kept() -> None:
    text = written("left \ud83d right")

    assert text.startswith("left \N{REPLACEMENT CHARACTER}")
    assert text.endswith("\N{REPLACEMENT CHARACTER} right")


def test_a_lone_surrogate_in_a_key_is_replaced() -> None:
    assert set("".join(written({"\ud83d": 1}))) == {"\N{REPLACEMENT CHARACTER}"}


def test_a_lone_surrogate_in_the_prompt_spoils_nothing_else() -> None:
    record = orjson.loads(example(prompt_text="a\ud83db", response_strong="12 EUR").to_json_line())

    assert record["response_strong"] == "12 EUR"
    assert record["created_at"] == "2026-03-01T05:00:00.250000"


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**400])
def test_an_integer_beyond_64_bits_becomes_its_text(number: int) -> None:
    assert written(number) == str(number)


def test_infinity_and_nan_become_null() -> None:
    assert written([float("inf"), float("-inf"), float("nan")]) == [None, None, None]


def test_a_set_becomes_a_list() -> None:
    assert sorted(written({"b", "a"})) == ["a", "b"]


def test_a_tuple_becomes_a_list() -> None:
    assert written((1, (2,))) == [1, [2]]


def test_keys_that_are_no_strings_become_their_text() -> None:
    assert written({1: "one", None: "none", (2, 3): "pair"}) == {"1": "one", "None": "none", "(2, 3)": "pair"}


def test_what_contains_itself_is_named_instead() -> None:
    circle: list[Any] = [1]
    circle.append(circle)

    assert written(circle) == [1, "<list>"]


def test_what_stands_in_two_places_is_written_in_both() -> None:
    shared = {"a": {1}}

    assert written([shared, shared]) == [{"a": [1]}, {"a": [1]}]


def test_nesting_that_no_parser_should_be_asked_to_read_is_cut() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    assert b"<list>" in example(metadata={"value": deep}).to_json_line()


def test_a_foreign_object_becomes_its_text() -> None:
    class Money:
        def __str__(self) -> str:
            return "12 EUR"

    assert written(Money()) == "12 EUR"


def test_an_object_whose_text_cannot_be_had_becomes_its_types_name() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    assert written({"it": Broken()}) == {"it": "<Broken>"}


def test_a_float_of_another_class_stays_a_number() -> None:
    class Price(float): ...

    assert written(Price(1.5)) == 1.5


def test_a_string_whose_text_cannot_be_had_stays_what_it_holds() -> None:
    class Broken(str):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    assert written([Broken("12 EUR"), {1}]) == ["12 EUR", [1]]


def test_bytes_become_their_text() -> None:
    assert written(b"\xff") == r"b'\xff'"


def test_a_datetime_keeps_its_zone() -> None:
    assert written(datetime(2026, 3, 1, tzinfo=UTC)) == "2026-03-01T00:00:00+00:00"


def test_a_datetime_of_another_class_becomes_its_text() -> None:
    class Moment(datetime): ...

    assert written(Moment(2026, 3, 1)) == "2026-03-01 00:00:00"


ANY_TEXT = st.text(st.characters())  # with lone surrogates and NUL
ANY_KEY = st.one_of(ANY_TEXT, st.integers(), st.none(), st.booleans(), st.tuples(st.integers()))
ANY_VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), ANY_TEXT, st.binary(), st.datetimes(), st.uuids()),
    lambda inside: st.one_of(
        st.lists(inside), st.dictionaries(ANY_KEY, inside), st.tuples(inside), st.sets(st.integers() | ANY_TEXT)
    ),
    max_leaves=20,
)


@settings(database=None, deadline=None)
@given(value=ANY_VALUE, text=ANY_TEXT)
def test_whatever_was_captured_is_one_line_of_json(value: Any, text: str) -> None:
    line = example(prompt_text=text, response_strong=text, metadata={"value": value}).to_json_line()

    assert line.index(b"\n") == len(line) - 1
    assert list(orjson.loads(line)) == list(COLUMNS)


@pytest.mark.django_db
@settings(database=None, deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(captured=st.lists(st.tuples(ANY_VALUE, ANY_TEXT), min_size=1, max_size=20))
def test_whatever_was_captured_survives_a_drain(captured: list[tuple[Any, str]]) -> None:
    examples = [example(prompt_text=text, metadata={"value": value}) for value, text in captured]

    spool(*examples)
    report = drain_captures()

    assert (report.rows, report.quarantined) == (len(examples), 0)
    rows = {row["id"]: row for row in stored_rows()}
    for each in examples:
        line, row = orjson.loads(each.to_json_line()), rows[each.id]
        assert row["prompt_text"] == line["prompt_text"]
        assert orjson.loads(row["metadata"]) == line["metadata"]
