import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_files.conversations.written import ONE, TWO, full, in_full, individual, pair, write
from training_files.conversations.importing import ImportReport, import_conversations
from training_files.conversations.review import review_pair
from training_files.conversations.store import load_conversation
from training_files.exceptions import TrainingFilesError
from training_files.models import Conversation, LooseFile
from training_files.v4.conversation import EnrichedConversation
from training_files.v4.writing import json_item, jsonl_lines

pytestmark = pytest.mark.django_db(transaction=True)

# All that is easily got wrong: non-ASCII, an empty list, whole and broken numbers, keys of one's own.
FULL_FILE = """{
  "training_file_metadata": {
    "version": "4.0.0"
  },
  "consultant_profile": {
    "name": "Ида"
  },
  "conversations": [
    {
      "conversation_metadata": {
        "conversation_id": "0f0f0f0f-1111-4222-8333-444444444444",
        "total_turns": 2,
        "own": [1, 2.50, 1e2]
      },
      "training_pairs": [
        {
          "turn_number": 1,
          "id": "t1",
          "conversation_history": [],
          "current_user_input": "Καλημέρα\\n\\u2028",
          "target_response": null,
          "training_metadata": {}
        },
        {
          "id": "t2",
          "conversation_id": "short",
          "turn_number": 2,
          "extra": true,
          "training_metadata": {"quality_score": 3.0, "quality_criteria": {"empathy_score": 2.8}},
          "conversation_history": [{"turn": 1, "role": "user", "content": "Καλημέρα"}],
          "current_user_input": "Καλημέρα",
          "target_response": "😀 </script>"
        }
      ]
    }
  ]
}
"""
ITEM = """    {
      "conversation_metadata": {
        "conversation_id": "0f0f0f0f-1111-4222-8333-444444444444",
        "total_turns": 2,
        "own": [
          1,
          2.5,
          100.0
        ]
      },
      "training_pairs": [
        {
          "turn_number": 1,
          "id": "t1",
          "conversation_history": [],
          "current_user_input": "Καλημέρα\\n\u2028",
          "target_response": null,
          "training_metadata": {}
        },
        {
          "id": "t2",
          "conversation_id": "short",
          "turn_number": 2,
          "extra": true,
          "training_metadata": {
            "quality_score": 3.0,
            "quality_criteria": {
              "empathy_score": 2.8
            }
          },
          "conversation_history": [
            {
              "turn": 1,
              "role": "user",
              "content": "Καλημέρα"
            }
          ],
          "current_user_input": "Καλημέρα",
          "target_response": "😀 </script>"
        }
      ]
    }"""
LINES = (
    '{"id":"t2_0f0f0f0f","conversation_id":"0f0f0f0f-1111-4222-8333-444444444444","turn_number":2,'
    '"conversation_history":[{"turn":1,"role":"user","content":"Καλημέρα"}],"current_user_input":"Καλημέρα",'
    '"target_response":"😀 </script>","training_metadata":{"quality_score":3.0,'
    '"quality_criteria":{"empathy_score":2.8}}}'
)


def take_in(*paths: Path) -> ImportReport:
    return import_conversations(paths, by="shell")


def stored(conversation_id: str = ONE) -> EnrichedConversation:
    return load_conversation(Conversation.objects.get(pk=conversation_id))


def test_what_comes_in_goes_out_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "full.json").write_text(FULL_FILE, "utf-8")
    assert take_in(tmp_path / "full.json").refused == {}
    conversation = stored("0f0f0f0f-1111-4222-8333-444444444444")
    assert json_item(conversation).decode() == ITEM
    assert jsonl_lines(conversation).decode() == LINES
    assert conversation.profile == {"name": "Ида"}


def test_an_individual_file_becomes_what_a_full_file_would_have_of_it(tmp_path: Path) -> None:
    take_in(write(tmp_path / "a.json", individual()))
    assert stored() == EnrichedConversation(
        metadata=in_full(ONE)["conversation_metadata"],
        pairs=individual()["training_pairs"],
        profile=individual()["consultant_profile"],
        vertical="advice",
    )


def test_the_row_repeats_what_is_in_the_file(tmp_path: Path) -> None:
    take_in(write(tmp_path / "a.json", individual()))
    row = Conversation.objects.get(pk=ONE)
    assert (row.enrichment_status, row.source, row.source_file, row.added_by) == (
        *("completed", "imported", "a.json", "shell"),
    )
    assert (row.turns, row.pairs, row.quality_score, row.quality_tier, row.reviewed_pairs) == (
        2,
        2,
        3,
        "experimental",
        0,
    )
    assert (row.persona_key, row.emotional_arc, row.training_topic) == ("planner", "Confusion → Clarity", "Savings")
    assert row.created_date is not None
    assert row.created_date.isoformat() == "2026-01-31"


def test_what_the_pairs_say_of_the_whole_counts_where_the_file_does_not(tmp_path: Path) -> None:
    value = individual()
    del value["input_parameters"], value["dataset_metadata"]["quality_tier"]
    value["training_pairs"][1]["training_metadata"]["quality_score"] = 5
    take_in(write(tmp_path / "a.json", value))
    assert stored().scaffolding["persona_name"] == "Noor - The Planner"
    assert stored().metadata["quality_tier"] == "production"


@pytest.mark.parametrize(
    ("known", "file_name", "expected"),
    [
        ({"conversation_id": "mine", "dataset_name": f"fp_{ONE}"}, f"{TWO}.json", "mine"),
        ({"dataset_name": f"fp_conversation_{ONE.upper()}"}, f"{TWO}.json", ONE),
        ({"dataset_name": "unnamed"}, f"fp_conversation_{TWO}-enriched.json", TWO),
    ],
)
def test_a_conversation_has_the_id_that_is_nearest(
    tmp_path: Path, known: dict[str, Any], file_name: str, expected: str
) -> None:
    take_in(write(tmp_path / file_name, individual(dataset_metadata=known)))
    assert Conversation.objects.get().pk == expected


def test_without_any_id_the_content_makes_one(tmp_path: Path) -> None:
    value = individual(dataset_metadata={})
    report = take_in(write(tmp_path / "a.json", value), write(tmp_path / "b.json", value))
    assert (report.added, report.unchanged) == (1, 0)
    assert report.changed == [Conversation.objects.get().pk]  # it is called after another file


def test_a_folder_brings_all_that_is_in_it_and_below(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    write(tmp_path / "one.json", individual(ONE))
    write(tmp_path / "below" / "two.JSON", individual(TWO))
    (tmp_path / "notes.txt").write_text("not read")
    assert take_in(tmp_path).added == 2


def test_the_same_content_again_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "full.json", full())
    take_in(path)
    before = list(Conversation.objects.values())
    report = take_in(path)
    assert (report.added, report.unchanged, report.changed) == (0, 2, [])
    assert list(Conversation.objects.values()) == before


def test_the_same_content_again_changes_nothing_after_a_review(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", individual())
    take_in(path)
    review_pair(ONE, 2, by="user:ada", score=5)
    assert take_in(path).unchanged == 1
    assert Conversation.objects.get().reviewed_pairs == 1


def test_other_content_takes_the_place_and_is_told(tmp_path: Path) -> None:
    take_in(write(tmp_path / "full.json", full()))
    old = Conversation.objects.get(pk=TWO).enriched_file_path
    report = take_in(write(tmp_path / "full.json", full(in_full(ONE), in_full(TWO, pair(1, "anew")))))
    assert (report.unchanged, report.changed) == (1, [TWO])
    assert stored(TWO).pairs[0]["target_response"] == "anew"
    assert LooseFile.objects.filter(name=old).exists()


def test_a_review_outlives_other_content_where_the_words_are_the_same(tmp_path: Path) -> None:
    take_in(write(tmp_path / "a.json", individual()))
    review_pair(ONE, 1, by="user:ada", score=1)
    review_pair(ONE, 2, by="user:ada", score=5, notes="fine", seed_example=True)
    take_in(
        write(
            tmp_path / "a.json",
            individual(training_pairs=[pair(1, "other words"), pair(2, "Ein Schritt nach dem anderen 😀", extra=1)]),
        )
    )
    assert [each["training_metadata"]["human_reviewed"] for each in stored().pairs] == [False, True]
    assert stored().pairs[1]["training_metadata"]["reviewer_notes"] == "fine"
    assert stored().pairs[1]["extra"] == 1


def test_one_fault_and_nothing_of_the_file_is_taken_in(tmp_path: Path) -> None:
    bad = write(tmp_path / "bad.json", full(in_full(ONE), in_full(TWO, pair(1, None, id=5))))
    report = take_in(bad, write(tmp_path / "good.json", individual()))
    assert report.refused == {
        str(bad): ["$.conversations[1].training_pairs[0].id: it is a number, not a text"],
    }
    assert (report.files, report.added) == (1, 1)


def test_a_file_that_breaks_off_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "torn.json", full())
    path.write_bytes(path.read_bytes()[:-30])
    assert [*take_in(path).refused] == [str(path)]
    assert not Conversation.objects.exists()


def test_an_id_that_comes_twice_in_a_file_is_a_fault(tmp_path: Path) -> None:
    path = write(tmp_path / "full.json", full(in_full(ONE), in_full(TWO), in_full(ONE)))
    assert take_in(path).refused[str(path)] == ["$.conversations[2]: it has the id of $.conversations[0]"]


def test_ids_of_pairs_may_come_twice(tmp_path: Path) -> None:
    path = write(tmp_path / "full.json", full(in_full(ONE, pair(1, "a"), pair(1, "b"))))
    assert take_in(path).added == 1


def test_an_id_names_no_path(tmp_path: Path, data_dir: Path) -> None:
    take_in(write(tmp_path / "a.json", individual(dataset_metadata={"conversation_id": "../../../etc/passwd"})))
    path = Conversation.objects.get(pk="../../../etc/passwd").enriched_file_path
    assert path is not None
    assert (data_dir / "training_files" / path).is_file()
    assert ".." not in path


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(TrainingFilesError, match="neither a file nor a folder"):
        take_in(tmp_path / "pipe.json")
    assert take_in(tmp_path).files == 0


def test_a_path_that_is_not_there_is_told_before_anything_is_taken_in(tmp_path: Path) -> None:
    with pytest.raises(TrainingFilesError, match="cannot be read"):
        take_in(write(tmp_path / "a.json", individual()), tmp_path / "gone.json")
    assert not Conversation.objects.exists()


def test_a_file_name_that_is_no_text_is_no_trouble(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.json"))
    take_in(write(path, individual()))
    assert Conversation.objects.get().source_file == "\ufffd.json"
    path.write_text("{")
    assert [*take_in(path).refused] == [f"{tmp_path}/\ufffd.json"]


def test_many_conversations_are_stored_some_at_a_time(tmp_path: Path) -> None:
    ids = [f"{number:08}-aaaa-4bbb-8ccc-000000000000" for number in range(230)]
    path = write(tmp_path / "full.json", full(*(in_full(each) for each in ids)))
    assert take_in(path).added == 230
    assert take_in(path).unchanged == 230


def test_a_killed_import_is_gone_on_with(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def die(stage: str, done: int, total: int) -> None:
        if stage == "storing conversations":
            raise Killed

    ids = [f"{number:08}-aaaa-4bbb-8ccc-000000000000" for number in range(150)]
    path = write(tmp_path / "full.json", full(*(in_full(each) for each in ids)))
    with pytest.raises(Killed):
        import_conversations([path], by="shell", progress=die)
    report = take_in(path)
    assert (report.added, report.unchanged) == (50, 100)


def test_nothing_of_the_scratch_file_stays(tmp_path: Path, data_dir: Path) -> None:
    take_in(write(tmp_path / "full.json", full()))
    assert list((data_dir / "tmp").iterdir()) == []
