"""Searching whole texts: everywhere, the newest first, in steps that can be gone on with."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from capture_app import call_llm
from capture_app.conf import capture_settings
from capture_app.live_database import lock_path
from capture_app.models import ForgottenExample
from capture_app.services import drain_captures
from console.example_page.addresses import page_address
from console.examples.full_text import scan, search
from console.examples.full_text.search import Position, Step, search_on
from console.models import AuditEvent
from tests.unit.console.hostile import HOSTILE, Page
from tests.unit.training_archive.conftest import interrupted_run, lock_elsewhere  # noqa: F401  (fixtures)
from tests.unit.training_archive.material import rewrite_member
from training_archive.models import ArchivedChunk
from training_archive.services import archive_training_data

pytestmark = pytest.mark.django_db

PAGE = "admin:console_examples_full_text"
NO_TIME = -1.0  # one stretch and no more


def call(prompt: str) -> str:
    example_id = call_llm(prompt, task="shop", training_metadata={}).example_id
    assert example_id
    return example_id


@pytest.fixture
def everywhere() -> dict[str, str]:
    """An example with the word `needle` in each place, by place."""
    found = {}
    for name in ("old chunk", "new chunk"):
        found[name] = call(f"A Needle in the {name}")
        call("hay")
        archive_training_data()
    found["live"] = call("A NEEDLE that is live")
    drain_captures()
    return found


def all_steps(question: str, seconds: float = NO_TIME) -> list[Step]:
    steps = [search_on(question, Position(), seconds=seconds)]
    while steps[-1].position:
        steps.append(search_on(question, steps[-1].position, seconds=seconds))
    return steps


def hits(question: str) -> list[str]:
    return [hit.id for step in all_steps(question) for hit in step.hits]


def test_the_newest_are_found_first(everywhere: dict[str, str]) -> None:
    assert hits("needle") == [everywhere["live"], everywhere["new chunk"], everywhere["old chunk"]]


def test_one_request_finds_all_when_that_is_quick(everywhere: dict[str, str]) -> None:
    [step] = all_steps("needle", seconds=60)

    assert len(step.hits) == 3
    assert (step.looked, step.left, step.problems) == (5, 0, [])


def test_each_step_says_how_far_it_is(everywhere: dict[str, str]) -> None:
    steps = all_steps("needle")

    assert [(step.looked, step.left) for step in steps if step.looked][:3] == [(1, 4), (1, 4), (3, 2)]
    assert steps[-1].looked == 5


@pytest.mark.parametrize("question", ["needle in the OLD", "offline", "a needle IN"])
def test_case_is_no_matter_and_the_whole_text_is_looked_at(everywhere: dict[str, str], question: str) -> None:
    assert everywhere["old chunk"] in hits(question)


def test_a_hit_shows_what_stands_around_it() -> None:
    call("x" * 3000 + " the needle here " + "y" * 3000)
    drain_captures()
    [hit] = [hit for step in all_steps("Needle") for hit in step.hits]

    assert "the needle here" in hit.snippet
    assert len(hit.snippet) == scan.SNIPPET
    assert (hit.found_in, hit.task) == ("prompt", "shop")


@pytest.mark.parametrize("question", ["%", "_", "' OR 1=1 --", "$text", "\\", '"'])
def test_characters_are_only_themselves(everywhere: dict[str, str], question: str) -> None:
    assert hits(question) == []


def test_what_is_sealed_is_looked_through(interrupted_run: Callable[..., None]) -> None:  # noqa: F811  (the fixture)
    wanted = call("A needle")
    interrupted_run()

    assert hits("needle") == [wanted]


def test_what_is_archived_meanwhile_is_not_missed(everywhere: dict[str, str]) -> None:
    late = call("Another needle")
    drain_captures()
    position = Position(kind="live", name="another one", row=0)
    archive_training_data()
    found = [hit.id for hit in search_on("needle", position, seconds=60).hits]

    assert late in found
    assert everywhere["live"] in found


def test_stretches_meet_without_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "STRETCH", 3)
    made = {call(f"needle {number}") for number in range(8)}
    drain_captures()

    assert set(hits("needle")) == made
    assert len(hits("needle")) == 8


def test_what_was_forgotten_is_not_shown_even_before_it_is_erased(everywhere: dict[str, str]) -> None:
    ForgottenExample.objects.create(id=everywhere["new chunk"], erasure="1")

    assert hits("needle") == [everywhere["live"], everywhere["old chunk"]]


def test_a_live_database_in_use_is_passed_over_and_that_is_said(
    everywhere: dict[str, str],
    lock_elsewhere: Callable[[Path], AbstractContextManager[None]],  # noqa: F811  (the fixture)
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "_LOCK_SECONDS", 0.05)
    with lock_elsewhere(lock_path(capture_settings().live_database)):
        [step] = all_steps("needle", seconds=60)

    assert len(step.hits) == 2
    assert "in use" in step.problems[0]


def test_a_damaged_chunk_is_passed_over_and_that_is_said(everywhere: dict[str, str], data_dir: Path) -> None:
    chunk = ArchivedChunk.objects.order_by("name")[0]
    rewrite_member(data_dir / "llm_training_dataset.zip", f"{chunk.name}.duckdb", b"no chunk")
    [step] = all_steps("needle", seconds=60)

    assert [hit.id for hit in step.hits] == [everywhere["live"], everywhere["new chunk"]]
    assert chunk.name in step.problems[0]


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"no chunk")])
def test_an_unpacked_chunk_that_is_gone_or_damaged_is_unpacked_anew(
    harm: Callable[[Path], Any], everywhere: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def scan_too_late(path: Path, *args: Any) -> scan.Stretch:
        monkeypatch.setattr(search, "scan_file", scan.scan_file)
        harm(path)
        return scan.scan_file(path, *args)

    monkeypatch.setattr(search, "scan_file", scan_too_late)
    [step] = all_steps("needle", seconds=60)

    assert [hit.id for hit in step.hits] == [everywhere["live"], everywhere["new chunk"], everywhere["old chunk"]]
    assert step.problems == []


def test_a_missing_archive_is_said(everywhere: dict[str, str], data_dir: Path) -> None:
    (data_dir / "llm_training_dataset.zip").unlink()
    [step] = all_steps("needle", seconds=60)

    assert [hit.id for hit in step.hits] == [everywhere["live"]]
    assert len(step.problems) == 2


def test_enough_is_enough(monkeypatch: pytest.MonkeyPatch, admin_client: Client) -> None:
    monkeypatch.setattr(search, "ENOUGH", 2)
    monkeypatch.setattr("console.examples.full_text.views.ENOUGH", 2)
    for _ in range(2):
        call("needle")
        archive_training_data()
    call("needle")
    drain_captures()
    shown = post(admin_client, "needle")

    assert len(shown["hits"]) == 2
    assert (shown["has_enough"], shown["token"]) == (True, "")


# --- The page --------------------------------------------------------------------------------------------------------


def post(client: Client, question: str, token: str = "") -> dict[str, Any]:
    data = {"q": question, "token": token}
    found: dict[str, Any] = client.post(reverse(PAGE), data, headers={"accept": "application/json"}).json()
    return found


def test_the_page_shows_what_was_found(admin_client: Client, everywhere: dict[str, str]) -> None:
    page = admin_client.post(reverse(PAGE), {"q": "needle"}).content.decode()

    for example_id in everywhere.values():
        assert page_address(example_id) in page


def test_the_empty_form_looks_for_nothing(admin_client: Client, everywhere: dict[str, str]) -> None:
    page = admin_client.get(reverse(PAGE), {"q": "needle"})

    assert page.status_code == 200
    assert not AuditEvent.objects.exists()
    assert b"needle" not in page.content


def test_a_search_is_gone_on_with(
    admin_client: Client, everywhere: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.examples.full_text.views.search_on", lambda *args: search_on(*args, seconds=NO_TIME))
    shown = post(admin_client, "needle")
    found = [hit["id"] for hit in shown["hits"]]
    while shown["token"]:
        shown = post(admin_client, "needle", shown["token"])
        found += [hit["id"] for hit in shown["hits"]]

    assert found == [everywhere["live"], everywhere["new chunk"], everywhere["old chunk"]]
    assert AuditEvent.objects.count() == 1


@pytest.mark.parametrize("token", ["x", "WyJsaXZlIl0:1:x", "\0", "a" * 10_000])
def test_a_token_of_somebody_elses_making_is_refused(
    admin_client: Client, everywhere: dict[str, str], token: str
) -> None:
    answer = admin_client.post(reverse(PAGE), {"q": "needle", "token": token})

    assert answer.status_code == 400
    assert b"Start it again" in answer.content


def test_a_token_is_good_for_its_question_and_its_user_only() -> None:
    token = Position(row=5).token("needle", "ada")

    assert Position.from_token(token, "needle", "ada") == Position(row=5)
    assert Position.from_token(token, "hay", "ada") is None
    assert Position.from_token(token, "needle", "eve") is None


def test_the_trail_says_that_somebody_searched_and_not_for_what(admin_client: Client) -> None:
    post(admin_client, "needle")
    event = AuditEvent.objects.get()

    assert (event.action, event.examples, event.details) == ("searched text", 0, {"characters": 6})


@pytest.mark.parametrize("right", ["view_figures", "forget_examples", "run_archive", "view_audit", ""])
@pytest.mark.parametrize("method", ["get", "post"])
def test_who_may_not_read_may_not_search(log_in: Callable[..., Client], right: str, method: str) -> None:
    client = log_in(right)

    assert getattr(client, method)(reverse(PAGE), {"q": "needle"}).status_code == 403
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("right", ["view_text", "review_examples", "export_examples", "replay_calls"])
def test_who_may_read_may_search(log_in: Callable[..., Client], right: str) -> None:
    assert log_in(right).post(reverse(PAGE), {"q": "needle"}).status_code == 200


def test_strangers_are_sent_to_the_login(client: Client) -> None:
    for method in (client.get, client.post):
        assert reverse("admin:login") in method(reverse(PAGE))["Location"]


def test_hostile_text_is_shown_as_text(admin_client: Client) -> None:
    for text in HOSTILE.values():
        call(f"needle {text[:5000]}")
    drain_captures()
    page = Page(admin_client.post(reverse(PAGE), {"q": "needle"}).content.decode())
    rows = [element for element in page.elements if element == ("td", ("class", "dir"))]

    assert len(rows) == scan.MOST_HITS
    assert list(page.dangers()) == []
    assert not {"img", "iframe", "object", "embed", "style", "base", "math"} & {tag for tag, _ in page.elements}


def test_hostile_questions_find_nothing_and_break_nothing(admin_client: Client) -> None:
    for text in HOSTILE.values():
        answer = admin_client.post(reverse(PAGE), {"q": text[:5000]})

        assert answer.status_code == 200
        assert list(Page(answer.content.decode()).dangers()) == []
