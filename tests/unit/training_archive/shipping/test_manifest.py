"""Manifests from a storage that others may write to: what no manifest of ours says is refused, with the reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_archive.shipping.material import ACTIVE, MANIFEST, change_manifest, zips_in
from training_archive.exceptions import ArchiveError
from training_archive.shipping.exceptions import ManifestRefused
from training_archive.shipping.fetching import FetchReport

Fetch = Callable[..., FetchReport]


@pytest.fixture(autouse=True)
def manifest(elsewhere: Path) -> None:
    """A manifest of nothing."""
    elsewhere.mkdir()
    blobs = {"count": 0, "bytes": 0, "listing": None}
    unsettled: dict[str, Any] = {"files": [], "listings": []}
    values = {"version": 1, "shipped_at": "2026-11-21T11:00:00+00:00", "files": [], "blobs": blobs}
    (elsewhere / MANIFEST).write_text(json.dumps({**values, "unsettled": unsettled}))


def test_a_manifest_of_nothing_is_well_formed(fetch: Fetch) -> None:
    assert fetch().zips == []


def entry(**values: Any) -> dict[str, Any]:
    return {"name": ACTIVE, "size": 10, "sha256": "0" * 64, "chunks": [], **values}


@pytest.mark.parametrize(
    "name",
    [
        "../llm_training_dataset.zip",
        "/etc/llm_training_dataset.zip",
        "sub/llm_training_dataset.zip",
        "llm_training_dataset.zip/..",
        "..",
        "",
        ".",
        "other.zip",
        "llm_training_dataset.zip\n",
        "llm_training_dataset-20261121.ZIP",
        "llm_training_dataset-٢٠٢٦١١٢١.zip",
        "llm_training_dataset.duckdb",
        "llm_training_dataset-20261121-\x00.zip",
        "-rf.zip",
        5,
        None,
        ["llm_training_dataset.zip"],
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(fetch: Fetch, tmp_path: Path, elsewhere: Path, name: Any) -> None:
    before = {path for path in tmp_path.rglob("*") if tmp_path / "host" not in path.parents}
    change_manifest(elsewhere, files=[entry(name=name)])

    with pytest.raises(ManifestRefused, match="is refused"):
        fetch()
    after = {path for path in tmp_path.rglob("*") if tmp_path / "host" not in path.parents}
    assert after - before <= {tmp_path / "host"}
    assert zips_in(tmp_path / "host") == {}


@pytest.mark.parametrize(
    "lie",
    [
        {"size": -1},
        {"size": 2**60},
        {"size": True},
        {"size": "10"},
        {"sha256": "0" * 63},
        {"sha256": "../" + "0" * 61},
        {"chunks": ["../chunk"]},
        {"chunks": "all"},
        {"chunks": [None]},
    ],
)
def test_a_value_that_no_manifest_has_is_refused(fetch: Fetch, elsewhere: Path, lie: dict[str, Any]) -> None:
    change_manifest(elsewhere, files=[entry(**lie)])

    with pytest.raises(ManifestRefused):
        fetch()


@pytest.mark.parametrize(
    "values",
    [
        {"version": 2},
        {"files": None},
        {"files": [entry(), entry()]},
        {"files": [5]},
        {"shipped_at": "yesterday"},
        {"shipped_at": "2026-01-01T00:00:00"},
        {"blobs": None},
        {"blobs": {"count": 1, "bytes": 1, "listing": {"name": "../list.txt", "size": 1, "sha256": "0" * 64}}},
        {"unsettled": {"files": ["../../notes.txt"], "listings": []}},
    ],
)
def test_a_manifest_of_another_form_is_refused(fetch: Fetch, elsewhere: Path, values: dict[str, Any]) -> None:
    change_manifest(elsewhere, **values)

    with pytest.raises(ManifestRefused):
        fetch()


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff\xfe", b'{"version": 1', b"[" * 100_000])
def test_what_is_no_manifest_is_refused(fetch: Fetch, elsewhere: Path, content: bytes) -> None:
    (elsewhere / MANIFEST).write_bytes(content)

    with pytest.raises(ManifestRefused):
        fetch()


def test_a_manifest_without_end_is_refused(fetch: Fetch, elsewhere: Path) -> None:
    with (elsewhere / MANIFEST).open("wb") as file:
        file.truncate(2**40)

    with pytest.raises(ManifestRefused, match="is larger than"):
        fetch()


def test_more_than_the_disk_holds_is_refused_before_it_is_fetched(fetch: Fetch, elsewhere: Path) -> None:
    change_manifest(elsewhere, files=[entry(size=2**49)])

    with pytest.raises(ArchiveError, match="needs 562,949,953,421,312 more bytes"):
        fetch()
