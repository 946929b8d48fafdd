"""forget erases examples wherever they are, and its receipt says so."""

import base64
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from capture_app import call_llm
from capture_app.example import Example
from capture_app.inbox import get_inbox
from capture_app.models import ExampleIndex, ForgottenExample
from capture_app.pseudonyms import pseudonym
from capture_app.services import drain_captures
from tests.unit.training_archive.material import files_below
from training_archive.exceptions import ArchiveError
from training_archive.models import DatasetExport, Erasure
from training_archive.reader import iter_chunks, iter_examples
from training_archive.receipts import read_receipt
from training_archive.services import archive_training_data, forget, forgetting, rebuild_example_index, verify_archive

pytestmark = pytest.mark.django_db

SECRET = "the secret of Ada"


def call(user: str, text: str = "Question", *, conversation: str = "", image: bytes = b"") -> str:
    metadata = {"user_id": user, "conversation_id": conversation}
    if not image:
        answer = call_llm(f"{text} of {user}", task="shop", training_metadata=metadata)
    else:
        url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
        parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]
        answer = call_llm(messages=[{"role": "user", "content": parts}], task="shop", training_metadata=metadata)
    assert answer.example_id
    return answer.example_id


@pytest.fixture
def everywhere(data_dir: Path, interrupted_run: Callable[..., None]) -> dict[str, list[str]]:
    """Examples of ada and of bob in two chunks, a sealed file, the live database and the inbox; their ids."""
    ids: dict[str, list[str]] = {"ada": [], "bob": []}

    def capture() -> None:
        for user in ids:
            ids[user].append(call(user, SECRET if user == "ada" else "Question", conversation=f"of {user}"))

    for _ in range(2):
        capture()
        archive_training_data()
    capture()
    interrupted_run()
    capture()
    drain_captures()
    capture()
    return ids


def everything_stored(data_dir: Path) -> dict[str, bytes]:
    """Every byte below the data directory, chunks unpacked and databases as text."""
    found = {name: (data_dir / name).read_bytes() for name in files_below(data_dir) if (data_dir / name).is_file()}
    for path in data_dir.glob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                found[name] = archive.read(name)
                if name.endswith(".duckdb"):
                    copy = data_dir.parent / name
                    copy.write_bytes(found[name])
                    with duckdb.connect(str(copy), read_only=True) as connection:
                        found[f"{name} as text"] = repr(connection.execute("FROM examples").fetchall()).encode()
    return found


def archived_ids() -> set[str]:
    return {example["id"] for example in iter_examples(columns=["id"])}


def test_a_user_is_erased_from_every_place_and_others_stay(everywhere: dict[str, list[str]], data_dir: Path) -> None:
    report = forget(user="ada", by="the DPO")

    assert not [name for name, content in everything_stored(data_dir).items() if SECRET.encode() in content]
    archive_training_data()
    assert archived_ids() == set(everywhere["bob"])
    assert set(ExampleIndex.objects.values_list("pk", flat=True)) == set(everywhere["bob"])
    assert verify_archive().problems == []
    [receipt] = report.receipts
    assert (receipt.examples, receipt.kind, receipt.requested_by) == (5, "user", "the DPO")
    assert (receipt.removed["live_and_sealed"], sorted(receipt.chunks.values())) == (3, [1, 1])


def test_the_chunks_say_that_something_was_taken_out(everywhere: dict[str, list[str]]) -> None:
    before = {sidecar.chunk: sidecar for sidecar in iter_chunks()}

    forget(user="ada", by="tester")

    for sidecar in iter_chunks():
        if sidecar.chunk in before:
            assert (sidecar.forgotten_rows, sidecar.rows) == (1, before[sidecar.chunk].rows - 1)
            assert sidecar.created_at == before[sidecar.chunk].created_at
            assert sidecar.generation == before[sidecar.chunk].generation


@pytest.mark.parametrize("selector", ["conversation", "ids"])
def test_a_conversation_or_single_examples_are_erased(everywhere: dict[str, list[str]], selector: str) -> None:
    choices: dict[str, dict[str, Any]] = {"conversation": {"conversation": "of ada"}, "ids": {"ids": everywhere["ada"]}}
    chosen = choices[selector]

    [receipt] = forget(**chosen, by="tester").receipts

    assert receipt.examples == 5
    assert set(ExampleIndex.objects.values_list("pk", flat=True)) == set(everywhere["bob"])


def test_a_user_is_found_under_the_pseudonym(capture_calls: Callable[..., list[str]]) -> None:
    capture_calls(2, user_id=pseudonym("ada"))
    capture_calls(1, user_id="adam")

    [receipt] = forget(user="ada", by="tester").receipts

    assert receipt.examples == 2
    assert ExampleIndex.objects.get().user_id == "adam"


def test_a_chunk_and_a_zip_in_which_nothing_is_left_are_removed(zip_path: Path) -> None:
    for _ in range(2):
        call("ada")
        archive_training_data()

    forget(user="ada", by="tester")

    assert not zip_path.exists()
    call("bob")
    archive_training_data()
    assert len(archived_ids()) == 1


def test_somebody_unknown_leaves_everything_as_it_was(everywhere: dict[str, list[str]], zip_path: Path) -> None:
    before = zip_path.read_bytes()

    [receipt] = forget(user="nobody", by="tester").receipts

    assert (receipt.examples, receipt.chunks) == (0, {})
    assert zip_path.read_bytes() == before


@pytest.mark.parametrize(
    "value", ["' OR true --", "%", "a'; DROP TABLE examples; --", "ada\0", "Ada", "\u202eada", "{}", "null"]
)
def test_a_selector_is_a_value_and_nothing_else(capture_calls: Callable[..., list[str]], value: str) -> None:
    capture_calls(1, user_id="ada")
    archive_training_data()

    assert forget(user=value, by="tester").receipts[0].examples == 0
    assert forget(conversation=value, by="tester").receipts[0].examples == 0
    assert len(archived_ids()) == 1


@pytest.mark.parametrize("chosen", [{"user": ""}, {"user": "ada", "conversation": "c"}, {"ids": [""]}])
def test_an_empty_or_doubled_selector_is_refused(chosen: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Name either"):
        forget(**chosen, by="tester")


# --- What came to rest elsewhere -------------------------------------------------------------------------------------


def test_what_is_in_quarantine_is_erased_even_when_it_is_torn(data_dir: Path) -> None:
    call("bob")
    [segment] = (data_dir / "spool").glob("*.jsonl")
    whole = {"metadata": {"gleaner": {"user_id": "ada"}}, "prompt_text": SECRET}  # no id
    with segment.open("ab") as file:
        file.write(json.dumps(whole).encode() + b"\n" + json.dumps({**whole, "id": 1}).encode()[:-5] + b"\nnot hers\n")
    drain_captures()

    [receipt] = forget(user="ada", by="tester").receipts

    assert receipt.removed["quarantine"] == 2
    [left] = (data_dir / "quarantine").rglob("*.jsonl")
    assert [json.loads(line)["text"] for line in left.read_text().splitlines()] == ["not hers"]


def fail(example: Example) -> Example:
    raise ValueError("cannot")


def test_what_was_withheld_is_erased(capture: Callable[..., None], data_dir: Path) -> None:
    capture(REDACT=f"{__name__}.fail")
    for user in ("ada", "bob", "ada"):
        call(user)

    [receipt] = forget(user="ada", by="tester").receipts

    assert receipt.removed["withheld"] == 2
    assert sum(len(path.read_text().splitlines()) for path in (data_dir / "quarantine").rglob("*.jsonl")) == 1


def test_images_go_unless_somebody_else_refers_to_them(data_dir: Path) -> None:
    call("ada", image=b"only hers" * 20)
    call("ada", image=b"of both" * 20)
    archive_training_data()
    call("bob", image=b"of both" * 20)

    [receipt] = forget(user="ada", by="tester").receipts

    assert receipt.removed["blobs"] == 1
    assert [path.read_bytes() for path in (data_dir / "blobs").glob("*/*")] == [b"of both" * 20]


def test_a_record_that_comes_again_is_left_out(data_dir: Path) -> None:
    call("ada")
    [segment] = (data_dir / "spool").glob("*.jsonl")
    line = segment.read_bytes()
    forget(user="ada", by="tester")

    get_inbox().take_in([line])
    drain_captures()
    archive_training_data()

    assert not ExampleIndex.objects.exists()
    assert not (data_dir / "llm_training_dataset.zip").exists()


def test_an_id_that_is_not_here_yet_is_left_out_when_it_comes(data_dir: Path) -> None:
    example_id = call("ada")
    [segment] = (data_dir / "spool").glob("*.jsonl")
    line = segment.read_bytes()
    segment.unlink()

    assert forget(ids=[example_id], by="tester").receipts[0].examples == 0
    get_inbox().take_in([line])
    drain_captures()

    assert not ExampleIndex.objects.exists()


def test_an_index_made_anew_does_not_bring_them_back(everywhere: dict[str, list[str]]) -> None:
    forget(user="ada", by="tester")

    rebuild_example_index()

    assert set(ExampleIndex.objects.values_list("pk", flat=True)) == set(everywhere["bob"])


# --- The receipt -----------------------------------------------------------------------------------------------------


def test_the_receipt_is_signed_and_holds_nothing_of_what_was_forgotten(everywhere: dict[str, list[str]]) -> None:
    report = forget(user="ada", by="tester")

    [path] = report.paths
    assert read_receipt(path) == report.receipts[0]
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    assert SECRET not in text
    assert '"ada"' not in text
    assert not [example_id for example_id in everywhere["ada"] if example_id in text]


def test_a_receipt_that_was_changed_is_none(everywhere: dict[str, list[str]]) -> None:
    [path] = forget(user="ada", by="tester").paths
    path.write_text(path.read_text().replace('"examples": 5', '"examples": 6'))

    with pytest.raises(ArchiveError, match="not as it was signed"):
        read_receipt(path)


def test_a_receipt_signed_before_the_key_changed_still_counts(everywhere: dict[str, list[str]], settings: Any) -> None:
    [path] = forget(user="ada", by="tester").paths
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"

    assert read_receipt(path).examples == 5


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b'{"signature": 1}', b"\xff"])
def test_what_is_no_receipt_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "receipt.json"
    path.write_bytes(content)

    with pytest.raises(ArchiveError):
        read_receipt(path)


def test_the_receipt_names_the_exports_that_still_hold_them(everywhere: dict[str, list[str]], tmp_path: Path) -> None:
    for name, ids in (("with", everywhere["ada"][:2]), ("without", everywhere["bob"]), ("gone", [])):
        folder = tmp_path / name
        folder.mkdir()
        if ids:
            rows = ", ".join(f"('{example_id}', 'chunk', 'train', '')" for example_id in ids)
            query = f"COPY (SELECT * FROM (VALUES {rows}) AS t(id, chunk, split, reason)) TO '{folder}/lineage.parquet'"
            duckdb.sql(query)
        DatasetExport.objects.create(
            path=str(folder),
            format="openai-chat",
            manifest="manifest.json",
            lineage="lineage.parquet",
            rows=2,
            created_at="2026-01-01T00:00Z",
        )

    [receipt] = forget(user="ada", by="tester").receipts

    found = {Path(made["name"]).name: made["examples"] for made in receipt.made_from_them}
    assert found == {"with": 2, "gone": None}


# --- Runs that are killed --------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Ends a run as a signal would."""


STEPS = (
    "_write_down",
    "mark_blobs",
    "rotate_live_database",
    "store_sealed_files",
    "rewrite_without",
    "remember_change",
    "_remove_from_index",
    "erase_quarantined",
    "erase_withheld",
    "sweep_marked_blobs",
    "write_receipt",
    "_close",
)


@pytest.fixture(params=[(step, moment) for step in STEPS for moment in ("before", "after")], ids="-".join)
def killed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it to forget ada in a run that is killed before or after one of its steps."""
    step, moment = request.param
    module = forgetting
    real = getattr(module, step)

    def die(*args: Any, **options: Any) -> Any:
        if moment == "after":
            real(*args, **options)
        raise Killed

    def run() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(module, step, die)
            with pytest.raises(Killed):
                forget(user="ada", by="tester")

    return run


def test_after_a_kill_the_same_request_finishes(
    everywhere: dict[str, list[str]], killed: Callable[[], None], data_dir: Path
) -> None:
    everywhere["ada"].append(call("ada", SECRET, image=SECRET.encode() * 9))
    killed()

    receipts = forget(user="ada", by="tester").receipts

    examples = sum(erasure.examples for erasure in Erasure.objects.all())
    assert examples == 6
    assert receipts[-1].examples in (6, 0)  # 0: the killed run had finished, and lacked only its last word
    assert not [name for name, content in everything_stored(data_dir).items() if SECRET.encode() in content]
    archive_training_data()
    assert archived_ids() == set(everywhere["bob"])
    assert not Erasure.objects.filter(finished_at=None).exists()
    assert not list((data_dir / "blobs").glob("*/*"))
    assert verify_archive().problems == []


@pytest.mark.parametrize("killed", [("rewrite_without", "after"), ("_close", "before")], indirect=True, ids="-".join)
def test_after_a_kill_a_run_without_a_request_finishes_too(
    everywhere: dict[str, list[str]], killed: Callable[[], None], data_dir: Path
) -> None:
    killed()

    [receipt] = forget(by="tester").receipts

    assert receipt.examples == 5
    assert not [name for name, content in everything_stored(data_dir).items() if SECRET.encode() in content]
    assert not Erasure.objects.filter(finished_at=None).exists()


def test_a_run_that_is_killed_while_it_searches_is_pending_and_can_be_finished_by_anybody(
    everywhere: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(forgetting, "_search", lambda *args: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            forget(user="ada", by="tester")
    assert not ForgottenExample.objects.exists()
    assert "ada" not in str(Erasure.objects.values())

    [receipt] = forget(by="somebody else").receipts

    assert (receipt.examples, receipt.requested_by) == (5, "tester")
    assert "selector" not in Erasure.objects.get().progress


def test_a_pending_request_that_no_key_opens_is_told(
    everywhere: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(forgetting, "_search", lambda *args: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            forget(user="ada", by="tester")
    settings.SECRET_KEY = "another"

    with pytest.raises(ArchiveError, match="SECRET_KEY_FALLBACKS"):
        forget(by="tester")


def test_a_dry_run_counts_and_changes_nothing(everywhere: dict[str, list[str]], zip_path: Path) -> None:
    before = zip_path.read_bytes()

    assert forget(user="ada", by="tester", dry_run=True).found == 5

    assert zip_path.read_bytes() == before
    assert not Erasure.objects.exists()


def test_an_archive_that_is_not_there_cannot_be_said_to_have_forgotten(
    everywhere: dict[str, list[str]], zip_path: Path, tmp_path: Path
) -> None:
    with pytest.raises(ArchiveError, match="check --zip-path"):
        forget(user="ada", by="tester", zip_path=tmp_path / "missing.zip")
    aside = zip_path.rename(tmp_path / "aside.zip")

    with pytest.raises(ArchiveError, match="lacks 2 chunks that should be there"):
        forget(user="ada", by="tester")

    aside.rename(zip_path)
    assert forget(user="ada", by="tester").receipts[0].examples == 5
