"""Gold files: what is in them, and each fault with its file and line."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from capture_app.contents import content_hmac
from capture_app.models import ForgottenExample
from continuous_training.evaluation.gold_files import FORGOTTEN, read_gold_file
from continuous_training.exceptions import GoldSetInvalid
from tests.unit.continuous_training.evaluation.material import faults_of, record, write_gold

pytestmark = pytest.mark.django_db


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gold.jsonl"


def test_a_file_has_items(path: Path) -> None:
    specs = {"price": {"type": "numeric_tol", "tolerance": 0.01}}
    write_gold(
        path,
        record("What is it?", category="easy"),
        b"",
        record(
            "And this?", '{"price": 5}', slot_specs=specs, parameters={"temperature": 0}, id="e1", metadata={"n": 1}
        ),
    )

    found = read_gold_file(path)

    assert [(each.prompt, each.expected, each.category, each.example_id) for each in found.items] == [
        ("What is it?", "A shoe.", "easy", ""),
        ("And this?", '{"price": 5}', "", "e1"),
    ]
    assert found.items[1].slot_specs == specs
    assert found.items[1].settings == {"parameters": {"temperature": 0}}
    assert (found.kind, found.name, found.has_specs) == ("file", "gold.jsonl", True)


def test_an_expected_object_becomes_its_json(path: Path) -> None:
    write_gold(path, record(expected={"price": 5}))  # type: ignore[arg-type]  # what is tested

    assert read_gold_file(path).items[0].expected == '{"price":5}'


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"{", "it is no JSON"),
        (b"[1]", "it is no JSON object"),
        (b'{"messages": [], "expected_response": NaN}', "it is no JSON"),
        (b"\xff\xfe{}", "it is no JSON"),
        (b"[" * 5000, "it is no JSON"),
        ({"messages": [{"role": "user", "content": "x"}]}, "expected_response is missing"),
        (record(expected=""), "expected_response is empty"),
        ({"messages": "x", "expected_response": "y"}, "messages must be a list"),
        ({"messages": [], "expected_response": "y"}, "messages is empty"),
        (record(category=7), "category must be a text"),
        (record(catgory="x"), "'catgory' is no key of a gold file"),
        ({"messages": [{"role": "boss", "content": "x"}], "expected_response": "y"}, "messages: a message has a role"),
        (
            {
                "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}],
                "expected_response": "y",
            },
            "messages ends with the role assistant",
        ),
        (record(expected='{"a": 1}', slot_specs={"a": "fuzzy"}), "slot_specs: 'a': the type is one of"),
        (record(expected="no object", slot_specs={"a": "exact"}), "slot_specs: expected_response is no JSON object"),
    ],
)
def test_a_fault_is_told_with_file_and_line(path: Path, line: Any, fault: str) -> None:
    write_gold(path, record("A good one."), line)

    assert any(each.startswith(f"gold.jsonl:2: {fault}") for each in faults_of(path)), faults_of(path)


def test_all_faults_are_told_at_once(path: Path) -> None:
    write_gold(path, record(expected=""), b"{", record("x", category=1, slot_specs=[]))

    assert [each.split(":")[1] for each in faults_of(path)] == ["1", "2", "3", "3"]


def test_a_long_list_of_faults_is_cut_in_the_message_only(path: Path) -> None:
    write_gold(path, *[b"{"] * 30)

    with pytest.raises(GoldSetInvalid, match=r"30 faults.*Nothing was asked[\s\S]*and 10 more") as raised:
        read_gold_file(path)
    assert len(raised.value.faults) == 30


def test_two_lines_that_ask_the_same_are_a_fault(path: Path) -> None:
    write_gold(path, record("What is it?"), record("what IS it"), record("What is it, then?"))

    assert faults_of(path) == ["gold.jsonl:2: it asks the same as line 1"]


def test_the_same_question_about_another_image_is_another_item(path: Path) -> None:
    images = [f"data:image/png;base64,{each}" for each in ("AAAA", "BBBB")]
    for_each = [
        [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}] for url in images
    ]
    write_gold(path, *[record(asked) for asked in for_each])  # type: ignore[arg-type]  # parts of a message

    assert len(read_gold_file(path).items) == 2


def test_a_file_without_items_is_refused(path: Path) -> None:
    write_gold(path, b"", b"  ")

    with pytest.raises(GoldSetInvalid, match="holds no items"):
        read_gold_file(path)


def test_a_file_that_is_not_there_is_refused(path: Path) -> None:
    with pytest.raises(GoldSetInvalid, match="cannot be read: No such file"):
        read_gold_file(path)


def test_a_file_that_is_too_large_is_refused(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**28 + 1)

    with pytest.raises(GoldSetInvalid, match="take a sample"):
        read_gold_file(path)


def test_what_was_erased_on_request_is_left_out(path: Path) -> None:
    ForgottenExample.objects.create(pk="e1", erasure="forget-1")
    ForgottenExample.objects.create(pk="e2", erasure="forget-1", content_hmac=content_hmac("", "Who am I?", "Anna."))
    write_gold(path, record("A", id="e1"), record("Who am I?", "Anna."), record("Who are you?", "Ben."))

    found = read_gold_file(path)

    assert [each.expected for each in found.items] == ["Ben."]
    assert found.left_out == {FORGOTTEN: 2}


def test_the_same_items_have_the_same_hash(path: Path) -> None:
    write_gold(path, record("A", category="x"))
    first = read_gold_file(path).sha256()

    path.write_bytes(orjson.dumps(record("A", category="x"), option=orjson.OPT_INDENT_2).replace(b"\n", b" "))
    assert read_gold_file(path).sha256() == first
    write_gold(path, record("A", category="y"))
    assert read_gold_file(path).sha256() != first
