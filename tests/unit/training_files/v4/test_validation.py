import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_files.conversations.written import ONE, full, in_full, individual, pair
from training_files.v4.conversation import EnrichedConversation
from training_files.v4.reading import parse
from training_files.v4.validation import (
    DEEPEST,
    FULL,
    INDIVIDUAL,
    MOST_FAULTS,
    examine,
    examine_file,
    faults_of_full,
    faults_of_individual,
    faults_of_lines,
    schema,
    unsound,
)
from training_files.v4.writing import jsonl_lines


def told(content: bytes) -> list[str]:
    return [str(fault) for fault in examine(io.BytesIO(content)).faults]


def test_sound_files_have_no_faults() -> None:
    assert faults_of_individual(individual()) == []
    assert faults_of_full(full()) == []


def test_a_file_says_what_it_is() -> None:
    one, all_ = examine(io.BytesIO(json.dumps(individual()).encode())), examine(io.BytesIO(json.dumps(full()).encode()))
    assert (one.kind, one.conversations, one.pairs) == (INDIVIDUAL, 1, 2)
    assert (all_.kind, all_.conversations, all_.pairs) == (FULL, 2, 4)


def test_values_out_of_open_lists_are_allowed() -> None:
    value = individual()
    value["dataset_metadata"]["quality_tier"] = "gold"
    value["training_pairs"][0]["emotional_context"]["detected_emotions"]["valence"] = "neutral"
    value["training_pairs"][0]["something_new"] = {"any": [1, None]}
    assert faults_of_individual(value) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"id": 7}, "$.training_pairs[0].id: it is a number, not a text"),
        ({"id": " "}, "$.training_pairs[0].id: it is blank, or a step in a path (. or ..), or has control characters"),
        ({"id": ".."}, "$.training_pairs[0].id: it is blank, or a step in a path (. or ..), or has control characters"),
        (
            {"id": "a\nb"},
            "$.training_pairs[0].id: it is blank, or a step in a path (. or ..), or has control characters",
        ),
        ({"turn_number": 1.5}, "$.training_pairs[0].turn_number: it is a number, not a whole number"),
        ({"target_response": ["no"]}, "$.training_pairs[0].target_response: it is a list, not a text or null"),
        (
            {"training_metadata": {"quality_score": 6}},
            "$.training_pairs[0].training_metadata.quality_score: it is more than 5",
        ),
        (
            {"conversation_history": [{"role": "user"}]},
            "$.training_pairs[0].conversation_history[0]: content is missing",
        ),
    ],
)
def test_a_fault_is_told_with_its_path(change: dict[str, Any], fault: str) -> None:
    value = individual(training_pairs=[pair(1, None, **change)])
    assert [str(each) for each in faults_of_individual(value)] == [fault]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "$: “{” is missing, and the text ends there"),
        (b"[]", "$: “{” is missing, at character 1"),
        (b'{"a":1', "$: “,” is missing, and the text ends there"),
        (b'{"a":"b', "$.a: it is no JSON: Unterminated string starting at, and the text ends there"),
        (b'{"a":[1,2,]}', "$.a: it is no JSON: Expecting value, at character 11"),
        (b'{"a":01,"b":2}', "$: “,” is missing, at character 7"),
        (b'{"a":1.x}', "$: “,” is missing, at character 7"),
        (b'{"a":' + b"1" * 5000 + b"}", "$.a: it is no JSON: a number has too many digits"),
        (b'{"a":NaN}', "$.a: NaN is no JSON"),
        (b'{"a":-Infinity}', "$.a: -Infinity is no JSON"),
        (b'{"a":1,"a":2}', "$.a: the name comes twice"),
        (b'{"a":[{"b":1,"b":1}]}', "$.a[0].b: the name comes twice"),
        (b'{"a":"\\ud800"}', "$.a: it has an unpaired surrogate"),
        (b'{"a":{"\\udfff":1}}', "$.a: a name in it has an unpaired surrogate"),
        (b'{"a":1e999}', "$.a: the number is too large"),
        (b'{"a":123456789012345678901}', "$.a: the number has more than 64 bits"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "$.a: it nests too deeply"),
        (b'{"a":1} {}', "$: something follows after the end of the object"),
        (b'\xff{"a":1}', "$: it is not UTF-8"),
        (b'{"\\u001b[31m\\n":NaN}', "$['\\x1b[31m\\n']: NaN is no JSON"),
        (b'{"a":1}', "$: it has neither training_pairs nor conversations"),
    ],
)
def test_what_no_other_system_could_be_given_is_a_fault(content: bytes, fault: str) -> None:
    assert told(content)[0] == fault


def test_a_fault_in_a_large_file_is_told_where_it_is_and_before_more_is_read() -> None:
    large = b'{\n"conversations": [\n{}, {"a" "b"}' + b" " * 2**25 + b"]}"
    assert told(large)[-1] == "$.conversations[1]: it is no JSON: Expecting ':' delimiter, in line 3"


def test_what_stands_beside_the_conversations_is_bounded_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_files.v4.reading.LONGEST_PIECE", 1000)
    text = b'"' + b"x" * 600 + b'"'
    assert told(b'{"a":' + text + b',"b":' + text + b"}")[0] == (
        "$.b: with what stands before it, it has more than 1,000 characters"
    )


def test_an_endless_name_is_refused() -> None:
    assert told(b'{"' + b"x" * 10_001 + b'":1}') == ["$: a name has more than 10,000 characters, at character 10,005"]


def test_a_long_id_is_looked_through_once() -> None:
    value = individual(training_pairs=[pair(1, None, id=f"{' ' * 200_000}{'a' * 200_000}\x01")])
    assert [each.problem for each in faults_of_individual(value)] == [
        "it has more than 200 characters",
        "it is blank, or a step in a path (. or ..), or has control characters",
    ]


def test_many_small_values_take_no_memory_to_look_at() -> None:
    value = {"a": [0] * 200_000}
    tracemalloc.start()
    try:
        assert list(unsound(value)) == []
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_a_byte_order_mark_and_odd_blanks_are_no_fault() -> None:
    assert told(b"\xef\xbb\xbf \r\n\t" + json.dumps(full()).encode() + b"\n \n") == []


def test_values_may_nest_only_so_deep() -> None:
    value = individual(input_parameters=json.loads('{"a":' * DEEPEST + "1" + "}" * DEEPEST))
    assert faults_of_individual(value)[0].problem == f"it nests deeper than {DEEPEST} values"


def test_no_more_faults_are_told_than_anybody_reads() -> None:
    assert len(told(json.dumps(full(*[{}] * 1000)).encode())) == MOST_FAULTS
    assert len(faults_of_lines([b"{}"] * 1000)) == MOST_FAULTS


def test_a_piece_that_is_too_large_is_refused_before_it_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_files.v4.reading.LONGEST_PIECE", 100_000)
    assert told(b'{"a":"' + b"x" * 300_000 + b'"}') == ["$.a: it has more than 100,000 characters"]


def test_a_piece_is_read_whole_wherever_the_text_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    content = json.dumps({"a": -12.5e3, **full()}, indent=3).encode()
    for block in range(1, 40):
        monkeypatch.setattr("training_files.v4.reading._BLOCK", block)
        assert told(content) == []


def test_a_value_is_the_same_wherever_the_text_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '{"a": [-12.5e+3, "\\ud83d\\ude00\\n\\"", true, null, {"b": {}}, 1E5, 0.0, -0]}'
    for block in range(1, len(text) + 2):
        monkeypatch.setattr("training_files.v4.reading._BLOCK", block)
        assert parse(text) == json.loads(text)
        assert parse(f"  {text[7:15]}") == -12.5e3


def test_a_number_at_the_edge_of_a_block_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_files.v4.reading._BLOCK", 1)
    found = examine(io.BytesIO(json.dumps(individual()).encode()))
    assert found.head["dataset_metadata"]["total_turns"] == 2
    assert found.head["training_pairs"][0]["training_metadata"]["quality_criteria"]["empathy_score"] == 2.8


def lines() -> list[bytes]:
    value = individual()
    made = EnrichedConversation(metadata={"conversation_id": ONE}, pairs=value["training_pairs"])
    return [b'{"_meta":{"file_name":"f","total_pairs":2,"version":"4.0.0"}}', jsonl_lines(made)]


def test_lines_are_sound_with_and_without_their_header() -> None:
    assert faults_of_lines(lines()) == []
    assert faults_of_lines(lines()[1:]) == []


def test_ids_of_lines_may_come_twice() -> None:
    assert faults_of_lines([*lines(), lines()[1]]) == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"", "line 3: $: it is no JSON: Expecting value, and the text ends there"),
        (b'{"_meta":{}}', "line 3: $: conversation_id is missing"),
        (b"[1]", "line 3: $: it is a list, not an object"),
        (b'{"a":1}{"b":2}', "line 3: $: something follows after the end of the value"),
    ],
)
def test_a_fault_in_a_line_is_told_with_its_number(line: bytes, fault: str) -> None:
    assert fault in [str(each) for each in faults_of_lines([*lines(), line])]


def test_a_line_needs_an_answer() -> None:
    line = lines()[1].replace(b'"target_response":"Ein Schritt', b'"target_response":null,"x":"Ein Schritt')
    assert [str(each) for each in faults_of_lines([line])] == ["line 1: $.target_response: it is null, not a text"]


def test_a_line_that_is_too_long_ends_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_files.v4.validation.LONGEST_LINE", 1000)
    (tmp_path / "long.jsonl").write_bytes(b'{"a":"' + b"x" * 5000 + b'"}\n' + lines()[1])
    assert [str(each) for each in examine_file(tmp_path / "long.jsonl").faults] == [
        "line 1: $: it has more than 1,000 bytes"
    ]


def test_our_schemas_are_schemas() -> None:
    from jsonschema import Draft202012Validator

    for name in ("pair", "individual", "conversation", "full", "line", "line_header"):
        Draft202012Validator.check_schema(schema(name))


def test_a_conversation_of_a_full_file_needs_no_id() -> None:
    value = full(in_full(ONE))
    del value["conversations"][0]["conversation_metadata"]["conversation_id"]
    assert faults_of_full(value) == []
