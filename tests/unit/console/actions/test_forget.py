"""Pages: erase examples."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from filelock import FileLock

from capture_app.models import ExampleIndex
from console.actions import runs
from console.models import ActionRun, AuditEvent
from training_archive.made_from import MadeFrom
from training_archive.models import Erasure
from training_archive.receipts import read_receipt
from training_archive.services import archive_training_data

pytestmark = pytest.mark.django_db(transaction=True)

EXPORT, FORGET = "console.export_examples", "console.forget_examples"
Make = Callable[..., list[str]]
Staff = Callable[..., Client]


def url() -> str:
    return reverse("admin:console_forget")


def confirmed(client: Client, ids: list[str], typed: str | None = None) -> Any:
    return client.post(url(), {"ids": json.dumps(ids), "confirm": str(len(ids)) if typed is None else typed})


def result_page(client: Client) -> str:
    return client.get(reverse("admin:console_action_run", args=[ActionRun.objects.latest("pk").pk])).content.decode()


def test_the_page_says_what_will_be_reached_and_erases_nothing(staff: Staff, example_ids: Make) -> None:
    ids = example_ids(3)
    archive_training_data()
    ids += example_ids(1, task="later")

    page = staff(FORGET).post(url(), {"ids": json.dumps(ids)}).content.decode()

    assert "4 examples" in page
    assert "llm_training_chunk_" in page
    assert "nothing is shipped from here" in page
    assert ExampleIndex.objects.count() == 4
    assert not ActionRun.objects.exists()


def test_examples_are_erased_when_their_number_is_typed(staff: Staff, example_ids: Make) -> None:
    client, ids = staff(FORGET), example_ids(3)

    confirmed(client, ids[:2])

    assert [example.pk for example in ExampleIndex.objects.all()] == ids[2:]
    run = ActionRun.objects.get()
    assert (run.state, run.ids) == ("succeeded", [])
    assert Erasure.objects.get().requested_by == run.requested_by


@pytest.mark.parametrize("typed", ["", "3", "two", "2 examples", "-2", "2.0", "٢"])
def test_another_number_erases_nothing(staff: Staff, example_ids: Make, typed: str) -> None:
    confirmed(staff(FORGET), example_ids(2), typed)

    assert ExampleIndex.objects.count() == 2
    assert not AuditEvent.objects.exists()


def test_a_large_number_may_be_typed_as_it_is_shown(staff: Staff, example_ids: Make) -> None:
    ids = example_ids(1)
    client = staff(FORGET)

    confirmed(client, ids, " 1 ")

    assert not ExampleIndex.objects.exists()


def test_the_receipt_can_be_taken_away(staff: Staff, example_ids: Make, tmp_path: Path) -> None:
    client = staff(FORGET)
    confirmed(client, example_ids(1))
    erasure = Erasure.objects.get()

    assert "Download the signed receipt" in result_page(client)
    answer: Any = client.get(reverse("admin:console_receipt", args=[erasure.pk]))

    (tmp_path / "receipt.json").write_bytes(b"".join(answer.streaming_content))
    assert read_receipt(tmp_path / "receipt.json").examples == 1


@pytest.mark.parametrize("name", ["nothing", "..", "%00", "forget-x.json"])
def test_what_is_no_receipt_cannot_be_taken_away(staff: Staff, name: str) -> None:
    address = reverse("admin:console_receipt", args=["NAME"]).replace("NAME", name)

    assert staff(FORGET).get(address, follow=True).status_code in {400, 404}


def test_a_receipt_elsewhere_is_not_given_out(staff: Staff, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    now = datetime.now(UTC)
    Erasure.objects.create(
        pk="odd", kind="id", selector_hmac="", requested_by="", requested_at=now, finished_at=now, receipt=str(secret)
    )

    assert staff(FORGET).get(reverse("admin:console_receipt", args=["odd"])).status_code == 400


def test_an_export_that_holds_them_is_named_before_and_after(staff: Staff, example_ids: Make) -> None:
    client, ids = staff(EXPORT, FORGET), example_ids(1)
    fields = {"format": "openai-chat", "dedupe": "exact", "split": "1", "name": "holds-it", "write": "1"}
    client.post(reverse("admin:console_export"), {"ids": json.dumps(ids), **fields})

    before = client.get(url(), {"id": ids[0]}).content.decode()
    confirmed(client, ids)

    for page in (before, result_page(client)):
        assert "exports/holds-it" in page
        assert "export_dataset --unregister" in page


def test_an_app_that_fails_to_say_what_it_made_is_named(
    staff: Staff, example_ids: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(ids: Any) -> list[MadeFrom]:
        raise RuntimeError("away")

    monkeypatch.setattr("training_archive.made_from._answers", [broken])

    page = staff(FORGET).get(url(), {"id": example_ids(1)[0]}).content.decode()

    assert "broken" in page
    assert "Ask whose app it is." in page
    assert "Make it anew" not in page


def test_who_may_not_read_sees_no_text(staff: Staff, example_ids: Make) -> None:
    client, ids = staff(FORGET), example_ids(1)

    pages = client.get(url(), {"id": ids[0]}).content.decode()
    confirmed(client, ids)

    assert "Question" not in pages + result_page(client)


def test_it_is_noted_who_forgot_how_many(staff: Staff, example_ids: Make) -> None:
    confirmed(staff(FORGET), example_ids(2))

    event = AuditEvent.objects.get()
    assert (event.action, event.examples, event.example) == ("forgot", 2, "")
    assert event.details == {"run": ActionRun.objects.get().pk}


def test_what_another_run_stands_in_the_way_of_can_be_asked_for_again(
    staff: Staff, example_ids: Make, data_dir: Path
) -> None:
    client, ids = staff(FORGET), example_ids(1)
    (data_dir / "sealed").mkdir()
    with FileLock(data_dir / "sealed" / ".lock"):
        assert "Another run that changes or indexes the archive is at work" in (
            client.get(url(), {"id": ids[0]}).content.decode()
        )
        confirmed(client, ids)
        assert "Another run that changes" in result_page(client)
    assert ExampleIndex.objects.exists()

    client.post(reverse("admin:console_action_again", args=[ActionRun.objects.get().pk]))

    assert not ExampleIndex.objects.exists()
    assert [event.details.get("again") for event in AuditEvent.objects.order_by("pk")] == [None, True]


def test_what_a_killed_run_left_is_shown_and_finished(
    staff: Staff, example_ids: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*args: Any) -> None:
        raise Killed

    client, ids = staff(FORGET), example_ids(2)
    with monkeypatch.context() as patch:
        patch.setattr("training_archive.services.forgetting._remove_from_archive", die)
        with pytest.raises(Killed):
            confirmed(client, ids[:1])
    pending = Erasure.objects.get(finished_at=None)
    assert pending.pk in client.get(url()).content.decode()
    assert ActionRun.objects.get().state == "failed"

    client.post(url(), {"finish": "1"})

    pending.refresh_from_db()
    assert pending.finished_at is not None
    assert pending.pk in result_page(client)
    assert [example.pk for example in ExampleIndex.objects.all()] == ids[1:]


@pytest.mark.usefixtures("nothing_is_small")
def test_a_large_archive_is_left_to_a_worker(staff: Staff, example_ids: Make, queue: Callable[[], Any]) -> None:
    client, ids = staff(FORGET), example_ids(1)

    page = client.get(url(), {"id": ids[0]}).content.decode()
    confirmed(client, ids)

    assert "not counted" in page
    [[run_id]] = queue()
    assert ExampleIndex.objects.exists()
    runs.work(run_id)
    assert not ExampleIndex.objects.exists()


def test_nothing_is_erased_by_looking(staff: Staff, example_ids: Make) -> None:
    client, ids = staff(FORGET), example_ids(1)

    client.get(url(), {"id": ids[0], "confirm": "1", "finish": "1"})

    assert ExampleIndex.objects.exists()
    assert not ActionRun.objects.exists()


def test_a_post_without_a_token_is_refused(example_ids: Make, staff: Staff) -> None:
    ids = example_ids(1)
    client = Client(enforce_csrf_checks=True)
    client.cookies = staff(FORGET).cookies

    assert confirmed(client, ids).status_code == 403
    assert ExampleIndex.objects.exists()
