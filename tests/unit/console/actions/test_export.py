"""Pages: export picked examples."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from console.actions import runs
from console.models import ActionRun, AuditEvent
from training_archive.models import DatasetExport

pytestmark = pytest.mark.django_db(transaction=True)

EXPORT = "console.export_examples"
Make = Callable[..., list[str]]
Staff = Callable[..., Client]


def form(ids: list[str], **fields: Any) -> dict[str, Any]:
    return {"ids": json.dumps(ids), "format": "openai-chat", "dedupe": "exact", "split": "1", **fields}


def url() -> str:
    return reverse("admin:console_export")


def write(client: Client, ids: list[str], **fields: Any) -> ActionRun:
    answer = client.post(url(), form(ids, write="1", **fields))
    assert answer.status_code == 302, answer.content.decode()
    run = ActionRun.objects.latest("pk")
    assert answer["Location"] == reverse("admin:console_action_run", args=[run.pk])
    return run


def unzipped(answer: Any) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_page_of_one_example_offers_every_format(staff: Staff, example_ids: Make) -> None:
    [example_id] = example_ids(1)

    page = staff(EXPORT).get(url(), {"id": example_id}).content.decode()

    assert example_id in page
    for name in ("openai-chat", "trl-preference", "parquet", "extraction"):
        assert f'<option value="{name}">' in page


def test_only_what_was_picked_is_written(staff: Staff, example_ids: Make, export_folder: Path) -> None:
    ids = example_ids(4)

    run = write(staff(EXPORT), ids[:2], name="two-of-four")

    assert (run.state, run.result["rows"], run.ids) == ("succeeded", 2, [])
    assert (export_folder / "two-of-four" / "manifest.json").is_file()
    assert DatasetExport.objects.get().path == str(export_folder / "two-of-four")


def test_the_data_set_can_be_taken_away_as_a_zip(staff: Staff, example_ids: Make) -> None:
    client, ids = staff(EXPORT), example_ids(2)
    run = write(client, ids, name="mine")

    answer = client.get(reverse("admin:console_export_download", args=[run.pk]))

    assert answer["Content-Disposition"] == 'attachment; filename="mine.zip"'
    files = unzipped(answer)
    assert {"mine/manifest.json", "mine/lineage.parquet", "mine/README.md"} <= set(files)
    assert sum(content.count(b"Question") > 0 for content in files.values()) == 1


def test_the_result_shows_files_and_sources(staff: Staff, example_ids: Make) -> None:
    client, ids = staff(EXPORT), example_ids(2)
    run = write(client, ids, name="mine")

    page = client.get(reverse("admin:console_action_run", args=[run.pk])).content.decode()

    assert "lineage.parquet" in page
    assert "Download as ZIP" in page


def test_counting_writes_nothing_and_offers_no_download(staff: Staff, example_ids: Make, export_folder: Path) -> None:
    client, ids = staff(EXPORT), example_ids(2)

    client.post(url(), form(ids, count="1"))

    run = ActionRun.objects.get()
    assert (run.state, run.result["rows"]) == ("succeeded", 2)
    assert not export_folder.exists()
    page = client.get(reverse("admin:console_action_run", args=[run.pk])).content.decode()
    assert "Only counted" in page
    assert client.get(reverse("admin:console_export_download", args=[run.pk])).status_code == 400


def test_what_is_exported_and_taken_away_is_noted_without_text(staff: Staff, example_ids: Make) -> None:
    client, ids = staff(EXPORT), example_ids(2)
    run = write(client, ids, name="mine")
    client.get(reverse("admin:console_export_download", args=[run.pk]))

    taken, exported = AuditEvent.objects.all()

    assert (exported.action, exported.examples, exported.details["run"]) == ("exported", 2, run.pk)
    assert (taken.action, taken.examples, taken.details) == ("downloaded", 2, {"run": run.pk})
    assert "Question" not in json.dumps([exported.details, taken.details])


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", "-x", "x" * 81, "a\x00b", "a\nb", "ünicode"])
def test_a_name_that_is_no_plain_name_is_refused(
    staff: Staff, example_ids: Make, export_folder: Path, name: str
) -> None:
    answer = staff(EXPORT).post(url(), form(example_ids(1), write="1", name=name))

    assert answer.status_code == 200
    assert not ActionRun.objects.exists()
    assert not export_folder.exists()


def test_a_name_that_is_taken_is_refused(staff: Staff, example_ids: Make) -> None:
    client, ids = staff(EXPORT), example_ids(1)
    write(client, ids, name="mine")

    page = client.post(url(), form(ids, write="1", name="Mine")).content.decode()

    assert "There is a data set of that name" in page


@pytest.mark.usefixtures("nothing_is_small", "queue")
@pytest.mark.parametrize("state", ["queued", "running", "failed"])
def test_the_name_of_a_data_set_that_is_yet_to_be_written_is_taken(staff: Staff, example_ids: Make, state: str) -> None:
    client, ids = staff(EXPORT), example_ids(1)
    write(client, ids, name="mine")
    ActionRun.objects.update(state=state)

    page = client.post(url(), form(ids, write="1", name="mine")).content.decode()

    assert "or an export that is to write it" in page
    assert ActionRun.objects.count() == 1


def test_a_name_is_free_that_was_only_counted(staff: Staff, example_ids: Make) -> None:
    client, ids = staff(EXPORT), example_ids(1)
    client.post(url(), form(ids, count="1", name="mine"))
    ActionRun.objects.update(state="failed")

    assert write(client, ids, name="mine").state == "succeeded"


def test_a_format_that_can_take_none_of_them_says_so(staff: Staff, example_ids: Make) -> None:
    client, ids = staff(EXPORT), example_ids(1)
    run = write(client, ids, format="trl-preference", name="pairs")

    page = client.get(reverse("admin:console_action_run", args=[run.pk])).content.decode()

    assert run.state == "failed"
    assert "There is not one pair" in page
    assert "Try it again" in page


def test_a_failed_run_can_be_asked_for_again(staff: Staff, example_ids: Make, data_dir: Path) -> None:
    client, ids = staff(EXPORT), example_ids(1)
    (data_dir / "exports").write_text("in the way")
    run = write(client, ids, name="mine")
    assert run.state == "failed"
    (data_dir / "exports").unlink()

    client.post(reverse("admin:console_action_again", args=[run.pk]))

    run.refresh_from_db()
    assert (run.state, run.result["rows"]) == ("succeeded", 1)


@pytest.mark.usefixtures("nothing_is_small")
def test_a_large_archive_is_left_to_a_worker(staff: Staff, example_ids: Make, queue: Callable[[], Any]) -> None:
    client, ids = staff(EXPORT), example_ids(1)

    run = write(client, ids, name="mine")

    assert run.state == "queued"
    assert queue() == [[run.pk]]
    runs.work(run.pk)
    run.refresh_from_db()
    assert run.state == "succeeded"


@pytest.mark.usefixtures("nothing_is_small", "queue")
def test_what_was_done_is_not_done_again_by_a_worker_that_comes_late(staff: Staff, example_ids: Make) -> None:
    run = write(staff(EXPORT), example_ids(1), name="mine")
    runs.work(run.pk)
    finished = ActionRun.objects.get().finished_at

    runs.work(run.pk)

    assert ActionRun.objects.get().finished_at == finished


def test_more_than_a_page_deals_with_is_led_to_the_command_line(
    staff: Staff, example_ids: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.actions.selection.MOST", 2)

    answer = staff(EXPORT).post(url(), form(example_ids(3)))

    assert answer.status_code == 400
    assert "manage.py export_dataset" in answer.content.decode()


@pytest.mark.parametrize("ids", ["", "[", "{}", "[1]", '["not there"]', "null", '["\\u0000"]', '["\\ud800"]'])
def test_a_form_that_names_no_examples_is_refused(staff: Staff, ids: str) -> None:
    answer = staff(EXPORT).post(url(), {"ids": ids, "write": "1"})

    assert answer.status_code == 400


def test_links_in_the_folder_are_not_taken_away(staff: Staff, example_ids: Make, export_folder: Path) -> None:
    client = staff(EXPORT)
    run = write(client, example_ids(1), name="mine")
    (export_folder / "mine" / "passwd").symlink_to("/etc/passwd")

    files = unzipped(client.get(reverse("admin:console_export_download", args=[run.pk])))

    assert "mine/passwd" not in files


def test_a_data_set_that_was_deleted_is_said_to_be_gone(staff: Staff, example_ids: Make, export_folder: Path) -> None:
    client = staff(EXPORT)
    run = write(client, example_ids(1), name="mine")
    for path in sorted((export_folder / "mine").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (export_folder / "mine").rmdir()

    page = client.get(reverse("admin:console_action_run", args=[run.pk])).content.decode()

    assert "is not there any more" in page
    assert client.get(reverse("admin:console_export_download", args=[run.pk])).status_code == 400


def test_the_page_asks_the_database_as_often_for_many_as_for_one(
    staff: Staff, example_ids: Make, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client, ids = staff(EXPORT), example_ids(20)

    with django_assert_max_num_queries(12):
        client.post(url(), {"ids": json.dumps(ids)})


def test_the_overview_says_what_to_do_first(staff: Staff) -> None:
    page = staff(EXPORT).get(url()).content.decode()

    assert "Pick examples in" in page
    assert "Nothing was asked for on these pages yet." in page
