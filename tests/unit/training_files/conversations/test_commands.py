import json
import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from capture_app import call_llm
from tests.unit.training_files.conversations.labelling import labelling
from tests.unit.training_files.conversations.written import ONE, full, in_full, individual, pair, write
from training_files.models import Conversation

pytestmark = pytest.mark.django_db(transaction=True)


def output(*arguments: Any, **options: Any) -> str:
    out = StringIO()
    call_command(*map(str, arguments), stdout=out, **options)
    return out.getvalue()


def test_an_import_says_what_became_of_the_conversations(tmp_path: Path) -> None:
    path = write(tmp_path / "full.json", full())
    assert output("import_conversations", path) == "1 file: 2 conversations added, 0 changed, 0 as before.\n"
    write(path, full(in_full(ONE, pair(1, "anew"))))
    assert f"  changed: {ONE}\n" in output("import_conversations", path)
    assert json.loads(output("import_conversations", path, "--json")) == {
        "files": 1,
        "added": 0,
        "unchanged": 1,
        "changed": [],
        "refused": {},
    }


def test_a_refused_file_is_named_with_its_faults(tmp_path: Path) -> None:
    path = write(tmp_path / "bad.json", individual(training_pairs=[]))
    with pytest.raises(CommandError) as told:
        output("import_conversations", path)
    assert f"{path}\n    $.training_pairs: it is empty" in str(told.value)
    assert told.value.returncode == 1


def test_captured_calls_are_taken_in_and_what_is_left_out_is_told() -> None:
    call_llm("Hello", training_metadata={"conversation_id": "chat"})
    assert output("conversations_from_captures") == "1 conversation added, 0 changed, 0 as before.\n"
    found = json.loads(output("conversations_from_captures", "--json", "--since", "2026-01-01"))
    assert found == {"added": 0, "unchanged": 1, "changed": [], "left_out": {}, "forgotten": 0}


def test_a_time_to_begin_with_may_leave_nothing() -> None:
    call_llm("Hello", training_metadata={"conversation_id": "chat"})
    assert output("conversations_from_captures", "--since", "2999-01-01").startswith("0 conversations added")


def test_enrichment_is_told_and_counted(capture: Callable[..., None]) -> None:
    call_llm("Hello", training_metadata={"conversation_id": "chat"})
    output("conversations_from_captures")
    capture(**labelling())
    assert output("enrich_conversations", "--all-pending") == "1 conversation enriched, 0 failed.\n"
    found = Conversation.objects.get().pk
    assert json.loads(output("enrich_conversations", "--conversation", found, "--json"))["completed_before"] == 1


def test_failed_enrichment_ends_with_its_reason() -> None:
    call_llm("Hello", training_metadata={"conversation_id": "chat"})
    output("conversations_from_captures")
    with pytest.raises(CommandError, match="offline provider answers") as told:
        output("enrich_conversations", "--all-pending")
    assert told.value.returncode == 1


def test_which_conversations_has_to_be_said() -> None:
    with pytest.raises(CommandError, match="required"):
        output("enrich_conversations")


def test_an_unknown_conversation_is_an_error() -> None:
    with pytest.raises(CommandError, match="no conversation nobody"):
        output("enrich_conversations", "--conversation", "nobody")


def test_a_sound_file_is_called_sound(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", full())
    assert output("validate_training_file", path) == f"{path}: full, 2 conversations, 4 pairs; no faults.\n"


def test_faults_are_told_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"_meta":{"file_name":"f","total_pairs":1,"version":"3"}}\n{"id":1}')
    out = StringIO()
    with pytest.raises(CommandError, match="has 8 faults") as told:
        call_command("validate_training_file", str(path), stdout=out)
    assert told.value.returncode == 1
    assert "line 1: $._meta.version: it is not of version 4\n" in out.getvalue()
    assert "line 2: $.id: it is a number, not a text\n" in out.getvalue()


def test_faults_come_as_json_too(tmp_path: Path) -> None:
    path, out = write(tmp_path / "a.json", individual(training_pairs=[])), StringIO()
    with pytest.raises(CommandError):
        call_command("validate_training_file", str(path), "--json", stdout=out)
    found = json.loads(out.getvalue())
    assert found["faults"] == [{"path": "$.training_pairs", "problem": "it is empty"}]


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is no file"):
        output("validate_training_file", tmp_path)


def test_a_file_name_that_is_no_text_is_told_as_well_as_it_can_be(tmp_path: Path) -> None:
    path = write(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.json")), full())
    assert output("validate_training_file", path).startswith(f"{tmp_path}/\ufffd.json: full")
    assert json.loads(output("validate_training_file", path, "--json"))["file"] == f"{tmp_path}/\ufffd.json"


def test_of_a_long_list_the_beginning_is_told(tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / f"{number:02}.json").write_text("[]")
    with pytest.raises(CommandError, match="25 files refused") as told:
        output("import_conversations", tmp_path)
    assert str(told.value).endswith("19.json\n    $: “{” is missing, at character 1\n  and 5 more")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("enrich_conversations", "--all-pending", "--limit", "-1"), "no number of conversations"),
        (("conversations_from_captures", "--since", "yesterday"), "'yesterday' is no time"),
    ],
)
def test_what_an_option_cannot_be_is_told(arguments: tuple[str, ...], problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        output(*arguments)


def test_a_spent_budget_ends_the_run_with_75_and_fails_nothing(capture: Callable[..., None], tmp_path: Path) -> None:
    call_llm("Hello", training_metadata={"conversation_id": "chat"})
    output("conversations_from_captures")
    capture(**labelling(), BUDGETS={"*": {"DAY": 0}})

    with pytest.raises(
        CommandError, match=r"the others wait as before\. The budget of '\*' for this day is spent"
    ) as told:
        output("enrich_conversations", "--all-pending")

    assert told.value.returncode == 75
    assert Conversation.objects.get().enrichment_status == "pending"
