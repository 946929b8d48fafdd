"""The list and the page of training files: what they show, and what their buttons do."""

import json
import re
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.core.handlers.asgi import ASGIRequest
from django.test import Client
from django.urls import reverse

from tests.unit.training_files.admin.conftest import Staff
from tests.unit.training_files.filling import ADA, conversation, many, store, training_file
from training_files.admin import conversations as conversation_admin
from training_files.builds import start_build
from training_files.models import Build, Conversation, TrainingFile
from training_files.service import add_conversations, describe, new_version, remove_conversations

pytestmark = pytest.mark.django_db


def url(name: str, *args: Any) -> str:
    return reverse(f"admin:training_files_{name}", args=args)


def page(client: Client, one: TrainingFile, **query: Any) -> str:
    return client.get(url("trainingfile_change", one.pk), query).content.decode()


def act(client: Client, made: TrainingFile, do: str, **post: Any) -> str:
    """What is said after it."""
    return client.post(url("trainingfile_act", made.pk), {"do": do, **post}, follow=True).content.decode()


def held(one: TrainingFile) -> int:
    return describe(TrainingFile.objects.get(pk=one.pk)).figures.conversations


# --- The list --------------------------------------------------------------------------------------------------------


def test_the_list_has_the_figures_of_the_current_versions(staff: Staff, one: TrainingFile) -> None:
    add_conversations(new_version(one.pk, by=ADA).pk, ["free"], by=ADA)

    row = staff("*").get(url("trainingfile_changelist")).content.decode()

    cells = dict(re.findall(r'class="field-(\w+)[^>]*>(?:<a[^>]*>)?([^<]*)<', row))
    assert cells["called"] == "a file"
    assert (cells["number"], cells["conversations"], cells["pairs"]) == ("2", "2", "3")
    assert (cells["mean_quality"], cells["owned_by"], cells["state"]) == ("4.00", "user:ada", "Active")


def test_the_list_is_searched_and_filtered(staff: Staff, one: TrainingFile) -> None:
    client = staff("*")

    for query, found in (({"q": "A FILE"}, True), ({"q": "b"}, False), ({"status__exact": "archived"}, False)):
        assert (f"/{one.pk}/" in client.get(url("trainingfile_changelist"), query).content.decode()) is found


def test_the_number_of_questions_does_not_grow_with_the_list(
    staff: Staff, one: TrainingFile, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        training_file(["free"], name=f"file {number}")
    client = staff("*")

    with django_assert_max_num_queries(12):
        client.get(url("trainingfile_changelist"))


def test_what_is_at_work_stands_above_the_list(staff: Staff, one: TrainingFile) -> None:
    start_build(one.pk, conversation_ids=many("more", 3), by=ADA)

    assert "Queued, 0 of 3 conversations" in staff("*").get(url("trainingfile_changelist")).content.decode()


def test_one_begins_a_training_file_by_picking_conversations(staff: Staff, one: TrainingFile) -> None:
    answer = staff("add_trainingfile", "view_conversation").get(url("trainingfile_add"))
    assert answer["Location"] == f"{url('conversation_changelist')}?enrichment_status__exact=completed"

    answer = staff("add_trainingfile", "view_trainingfile").get(url("trainingfile_add"), follow=True)
    assert "you may not see these" in answer.content.decode()


# --- The page --------------------------------------------------------------------------------------------------------


def test_the_page_has_figures_charts_versions_and_conversations(staff: Staff, one: TrainingFile) -> None:
    add_conversations(new_version(one.pk, by=ADA, note="with more").pk, ["free"], by=ADA)
    many("could be added", 4, cell=("p", "a", "t"))

    shown = page(staff("*"), one)

    assert "2 to 4" not in shown
    assert "3, of which 3 become lines" in shown
    assert "with more" in shown
    assert '<td class="tf-shade-5"><a href="/admin/training_files/conversation/?persona_key=p&amp;' in shown
    assert '<span class="tf-more">+4</span>' in shown
    assert '<rect width="1000" height="10"/>' in shown
    assert "conversation/held/change/" in shown
    assert "conversation/free/change/" in shown


def test_an_older_version_is_shown_as_it_was(staff: Staff, one: TrainingFile) -> None:
    remove_conversations(new_version(one.pk, by=ADA).pk, ["held"], by=ADA)
    client = staff("*")

    assert "conversation/held/change/" not in page(client, one)
    assert "conversation/held/change/" in page(client, one, version=1)
    assert "Remove those that are ticked" not in page(client, one, version=1)
    assert client.get(url("trainingfile_change", one.pk), {"version": 3}).status_code == 404


def test_conversations_that_went_or_changed_since_say_so(staff: Staff, one: TrainingFile) -> None:
    add_conversations(one.pk, ["free"], by=ADA)
    store(conversation("held", score=5))
    Conversation.objects.filter(pk="free").delete()

    shown = page(staff("*"), one)

    assert shown.count("changed since it was added") == 1
    assert shown.count("deleted since") == 1


def test_conversations_are_paged(staff: Staff) -> None:
    made, client = training_file(many("c", 60)), staff("*")

    assert "Page 1 of 2" in page(client, made)
    assert "conversation/c59/change/" in page(client, made, page=2)
    assert "Page 2 of 2" in page(client, made, page=99)


def test_one_that_is_not_there_is_not_found(staff: Staff) -> None:
    client = staff("*")

    for name in ("change", "suggestions", "differences", "progress", "delete"):
        assert client.get(url(f"trainingfile_{name}", UUID(int=1))).status_code == 404
    assert client.get(url("trainingfile_change", "no id")).status_code == 404


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_each_version_is_downloaded_in_each_format(staff: Staff, one: TrainingFile, ending: str) -> None:
    add_conversations(new_version(one.pk, by=ADA).pk, ["free"], by=ADA)
    client = staff("view_trainingfile")

    sizes = []
    for number in (1, 2):
        answer: Any = client.get(url("trainingfile_download", one.pk, ending), {"version": number})
        content = b"".join(answer.streaming_content)
        assert len(content) == int(answer["Content-Length"])
        assert json.loads(content.splitlines()[0] if ending == "jsonl" else content)
        sizes.append(len(content))
    assert sizes[0] < sizes[1]
    assert answer["Content-Disposition"] == f'attachment; filename="a file.{ending}"'
    assert client.get(url("trainingfile_download", one.pk, "csv")).status_code == 404


def test_a_server_of_async_kind_streams_a_download(admin_user: Any, one: TrainingFile) -> None:
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    request = ASGIRequest(scope, BytesIO())
    request.user = admin_user
    pages: Any = site.get_model_admin(TrainingFile)

    answer = pages.download(request, file_id=one.pk, format="json")

    assert answer.is_async
    assert int(answer["Content-Length"]) == describe(one).json_bytes


def test_versions_are_compared(staff: Staff, one: TrainingFile) -> None:
    add_conversations(new_version(one.pk, by=ADA).pk, ["free"], by=ADA)
    remove_conversations(one.pk, ["held"], by=ADA)
    client = staff("view_trainingfile")

    shown = client.get(url("trainingfile_differences", one.pk)).content.decode()
    assert re.findall(r"(Added|Removed|Changed): (\d)", shown) == [("Added", "1"), ("Removed", "1"), ("Changed", "0")]
    assert client.get(url("trainingfile_differences", one.pk), {"old": 7}).status_code == 404


# --- What its buttons do ---------------------------------------------------------------------------------------------


def test_every_change_is_said_done_and_written_down(staff: Staff, one: TrainingFile) -> None:
    client = staff("*")

    assert "Version 2 was begun; version 1 stays as it is." in act(client, one, "new-version", note="a note")
    assert "Added 1 conversation: free." in act(client, one, "add", one="free")
    assert "Removed 1 conversation: held." in act(client, one, "remove", conversation=["held"])
    act(client, one, "rename", name="other", description="of more")
    act(client, one, "archive")
    one.refresh_from_db()
    assert (one.name, one.description, one.status, one.version) == ("other", "of more", "archived", 2)
    assert "Opened again." in act(client, one, "reopen")

    assert held(one) == 1
    noted = LogEntry.objects.filter(object_id=str(one.pk)).values_list("change_message", flat=True)
    assert len(noted) == 6
    assert "Version 2 was begun" in client.get(url("trainingfile_history", one.pk)).content.decode()


@pytest.mark.parametrize(
    ("do", "post", "problem"),
    [
        ("add", {"conversation": ["held"]}, "Conversations already in training file: held."),
        ("add", {"conversation": ["nowhere"]}, "There are no such conversations: nowhere."),
        ("add", {}, "One request names 1 to 80 conversations"),
        ("remove", {"conversation": ["free"]}, "Conversations not in training file: free."),
        ("rename", {"name": "taken"}, "taken"),
        ("rename", {"name": " "}, "name"),
        ("go-on", {}, "No build is waiting."),
    ],
)
def test_what_is_refused_is_said_and_changes_nothing(
    staff: Staff, one: TrainingFile, do: str, post: dict[str, Any], problem: str
) -> None:
    training_file(["free"], name="taken")

    said = act(staff("*"), one, do, **post)

    assert problem in re.findall(r'<li class="error">(.*?)</li>', said, re.DOTALL)[0]
    assert held(one) == 1
    assert not LogEntry.objects.exists()


def test_what_is_no_verb_is_not_found(staff: Staff, one: TrainingFile) -> None:
    assert staff("*").post(url("trainingfile_act", one.pk), {"do": "explode"}).status_code == 404


def test_deleting_asks_first(staff: Staff, one: TrainingFile) -> None:
    client = staff("*")

    assert "Delete it for ever" in client.get(url("trainingfile_delete", one.pk)).content.decode()
    assert TrainingFile.objects.exists()
    assert client.post(url("trainingfile_delete", one.pk))["Location"] == url("trainingfile_changelist")
    assert not TrainingFile.objects.exists()
    assert LogEntry.objects.get().object_repr == "a file"


# --- Suggestions -----------------------------------------------------------------------------------------------------


def test_suggestions_are_added_with_one_click(staff: Staff, one: TrainingFile) -> None:
    store(conversation("weak", cell=("r", "b", "u"), score=2))
    client = staff("*")
    asked = {"by": "scaffolding", "limit": "5", "min_quality": "3"}

    shown = client.get(url("trainingfile_suggestions", one.pk), asked).content.decode()
    assert 'name="one" value="free"' in shown
    assert "weak" not in shown
    answer = client.post(
        url("trainingfile_act", one.pk),
        {"do": "add", "suggestions": "1", "one": "free", "conversation": ["x"], **asked},
    )

    assert held(one) == 2
    assert answer["Location"] == f"{url('trainingfile_suggestions', one.pk)}?by=scaffolding&limit=5&min_quality=3"
    assert "There is none" in client.get(answer["Location"]).content.decode()


def test_all_suggestions_that_are_ticked_are_added_together(staff: Staff, one: TrainingFile) -> None:
    many("more", 2, cell=("z", "z", "z"))

    act(staff("*"), one, "add", suggestions="1", conversation=["free", "more1"])

    assert held(one) == 3


@pytest.mark.parametrize("query", [{"by": "mood", "limit": "-3", "min_quality": "nan"}, {"limit": "9" * 30}])
def test_what_makes_no_sense_is_not_asked(staff: Staff, one: TrainingFile, query: dict[str, str]) -> None:
    assert "free" in staff("*").get(url("trainingfile_suggestions", one.pk), query).content.decode()


# --- Builds ----------------------------------------------------------------------------------------------------------


def test_a_build_shows_how_far_it_is(staff: Staff, one: TrainingFile) -> None:
    build = start_build(one.pk, conversation_ids=many("more", 3), by=ADA)
    Build.objects.filter(pk=build.pk).update(state="running", done=2)
    client = staff("*")

    assert client.get(url("trainingfile_progress", one.pk)).json() == {
        "label": "Running",
        "done": 2,
        "total": 3,
        "isOpen": True,
    }
    assert "training_files/progress.js" in page(client, one)
    Build.objects.filter(pk=build.pk).update(state="failed", problem="The storage is full.")
    shown = page(client, one)
    assert "The storage is full." in shown
    assert 'value="go-on"' in shown


# --- Out of the list of conversations --------------------------------------------------------------------------------


def pick(client: Client, ids: list[str]) -> str:
    post = {"action": "add_to_file", "_selected_action": ids}
    return client.post(url("conversation_changelist"), post).content.decode()


def test_picked_conversations_make_a_training_file(staff: Staff, one: TrainingFile) -> None:
    client = staff("view_conversation", "add_trainingfile", "view_trainingfile")

    shown = pick(client, ["free", "held"])
    assert "Add 2 conversations to a training file" in shown
    put = {"conversations": '["free", "held"]', "put": "1", "name": "new", "description": "of two"}
    answer = client.post(url("conversation_put"), put)

    made = TrainingFile.objects.get(name="new")
    assert answer["Location"] == url("trainingfile_change", made.pk)
    assert (held(made), made.owner, made.description) == (2, "user:eve", "of two")


@pytest.mark.parametrize("fields", [{}, {"name": "new", "training_file": "one"}, {"training_file": "nothing"}])
def test_it_has_to_be_said_where_they_are_to_come(staff: Staff, one: TrainingFile, fields: dict[str, str]) -> None:
    given = {name: str(one.pk) if value == "one" else value for name, value in fields.items()}

    answer = staff("*").post(url("conversation_put"), {"conversations": '["free"]', "put": "1", **given})

    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert (held(one), TrainingFile.objects.count()) == (1, 1)


@pytest.mark.usefixtures("broker")
def test_many_are_added_by_a_build(staff: Staff, one: TrainingFile, settings: Any) -> None:
    settings.TRAINING_FILES = {"CONVERSATIONS_PER_REQUEST": 2}
    ids = many("more", 3)

    staff("*").post(
        url("conversation_put"), {"conversations": json.dumps(ids), "put": "1", "training_file": str(one.pk)}
    )

    assert Build.objects.get().total == 3


def test_more_than_a_page_deals_with_are_refused(
    staff: Staff, one: TrainingFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation_admin, "MOST_PICKED", 1)
    client = staff("*")
    pick(client, ["free", "held"])

    assert "More than 1 conversations match" in client.get(url("conversation_changelist")).content.decode()


@pytest.mark.parametrize("ids", ["", "free", "{}", "[]", "[1]"])
def test_what_is_no_list_of_conversations_is_not_found(staff: Staff, one: TrainingFile, ids: str) -> None:
    assert staff("*").post(url("conversation_put"), {"conversations": ids}).status_code == 404
