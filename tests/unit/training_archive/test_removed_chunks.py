"""What pruning and forgetting note for shipping, and what becomes of the notes of killed runs."""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.training_archive.conftest import Killed
from tests.unit.training_archive.material import NAME, change_sidecar, files_below, row, write_archive
from training_archive.archive_set import read_sidecars
from training_archive.chunks import PREFIX, Sidecar
from training_archive.dated_names import archive_zips, roll_over
from training_archive.removed_chunks import (
    forget_noted,
    keep_leaving,
    leaving_chunks,
    removed_chunks,
    removing,
    settle_removals,
)
from training_archive.zip_writer import rewrite_zip

FIRST, SECOND = f"{PREFIX}0000", f"{PREFIX}0001"


@pytest.fixture
def archive(zip_path: Path) -> Path:
    """Two chunks, of one example each."""
    write_archive(zip_path, [row("a")], [row("b")])
    return zip_path


def chosen(path: Path, names: Collection[str]) -> list[Sidecar]:
    return [sidecar for sidecar in read_sidecars(path) if sidecar.chunk in names]


def remove(zip_path: Path, *names: str, path: Path | None = None) -> None:
    path = path or zip_path
    with removing(zip_path, path, chosen(path, names)):
        rewrite_zip(path, dict.fromkeys(names), compresslevel=1)


def killed(zip_path: Path, *names: str, path: Path | None = None, rewritten: bool = False) -> None:
    """As remove, but killed before the ZIP is rewritten, or right after that."""
    path = path or zip_path
    with suppress(Killed), removing(zip_path, path, chosen(path, names)):
        if rewritten:
            rewrite_zip(path, dict.fromkeys(names), compresslevel=1)
        raise Killed


def there(zip_path: Path) -> Mapping[Path, list[Sidecar]]:
    return {path: read_sidecars(path) for path in archive_zips(zip_path)}


def settle(zip_path: Path) -> None:
    settle_removals(zip_path, there(zip_path))


# --- Removing --------------------------------------------------------------------------------------------------------


def test_what_was_removed_is_gone(archive: Path) -> None:
    remove(archive, FIRST)

    assert (removed_chunks(archive), leaving_chunks(archive)) == ({FIRST}, set())


def test_a_merged_chunk_goes_by_all_its_names(archive: Path) -> None:
    change_sidecar(archive, {"merged_from": [{"chunk": f"{NAME}-9", "generation": "x", "rows": 1, "sha256": "0"}]})

    remove(archive, FIRST)

    assert removed_chunks(archive) == {FIRST, f"{NAME}-9"}


def test_a_zip_in_which_nothing_is_left_goes(archive: Path) -> None:
    remove(archive, FIRST, SECOND)

    assert not archive.exists()
    assert removed_chunks(archive) == {FIRST, SECOND}


def test_what_a_killed_run_has_not_removed_is_leaving(archive: Path) -> None:
    killed(archive, FIRST)

    assert (removed_chunks(archive), leaving_chunks(archive)) == (set(), {FIRST})


def test_notes_add_up_and_leave_no_file_when_all_is_told(archive: Path) -> None:
    remove(archive, FIRST)
    remove(archive, SECOND)
    assert removed_chunks(archive) == {FIRST, SECOND}

    forget_noted(archive, [FIRST])
    assert removed_chunks(archive) == {SECOND}
    forget_noted(archive, [SECOND, f"{PREFIX}0002"])

    assert not [name for name in files_below(archive.parent) if name.endswith(".json")]


def test_notes_of_several_runs_at_once_are_all_kept(zip_path: Path) -> None:
    names = [f"{PREFIX}{number:04d}" for number in range(24)]
    write_archive(zip_path, *([row(name)] for name in names))
    sidecars = read_sidecars(zip_path)

    def note(sidecar: Sidecar) -> None:
        with removing(zip_path, zip_path, [sidecar]):
            pass

    for sidecar in sidecars[:12]:
        note(sidecar)
    with ThreadPoolExecutor(4) as pool:
        noting = [pool.submit(note, sidecar) for sidecar in sidecars[12:]]
        forgetting = [pool.submit(forget_noted, zip_path, [name]) for name in names[:12]]
    for done in [*noting, *forgetting]:
        done.result()

    assert removed_chunks(zip_path) == set(names[12:])


def test_each_archive_has_notes_of_its_own(archive: Path) -> None:
    other = archive.with_name("other.zip")
    write_archive(other, [row("c")])

    remove(other, FIRST)

    assert (removed_chunks(archive), removed_chunks(other)) == (set(), {FIRST})


# --- Settling --------------------------------------------------------------------------------------------------------


def test_what_was_killed_before_it_rewrote_the_zip_is_still_leaving(archive: Path) -> None:
    killed(archive, FIRST)

    settle(archive)

    assert (removed_chunks(archive), leaving_chunks(archive)) == (set(), {FIRST})


@pytest.mark.parametrize("names", [[FIRST], [FIRST, SECOND]], ids=["one", "all"])
def test_what_was_killed_after_it_had_rewritten_the_zip_is_gone(archive: Path, names: list[str]) -> None:
    killed(archive, *names, rewritten=True)

    settle(archive)

    assert (removed_chunks(archive), leaving_chunks(archive)) == (set(names), set())


def test_of_a_zip_that_is_away_nobody_knows(archive: Path) -> None:
    killed(archive, FIRST)
    away = archive.rename(archive.with_name("away"))

    settle(archive)
    assert (removed_chunks(archive), leaving_chunks(archive)) == (set(), {FIRST})
    away.rename(archive)
    settle(archive)

    assert (removed_chunks(archive), leaving_chunks(archive)) == (set(), {FIRST})


def test_a_zip_that_was_rolled_over_is_known_by_its_new_name(archive: Path) -> None:
    killed(archive, FIRST)
    dated = roll_over(archive, datetime.now(UTC))
    settle(archive)
    dated.rename(archive.with_name("away"))
    write_archive(archive.with_name("new.zip"), [row("c")])
    archive.with_name("new.zip").rename(archive)

    settle(archive)

    assert (removed_chunks(archive), leaving_chunks(archive)) == (set(), {FIRST})


def test_a_chunk_that_came_back_is_gone_no_longer(archive: Path) -> None:
    before = archive.read_bytes()
    remove(archive, FIRST)
    archive.write_bytes(before)

    settle(archive)

    assert removed_chunks(archive) == set()


def test_what_is_kept_after_all_is_leaving_no_more(archive: Path) -> None:
    killed(archive, FIRST)

    keep_leaving(archive)

    assert (removed_chunks(archive), leaving_chunks(archive)) == (set(), set())


def test_without_notes_nothing_is_written(archive: Path) -> None:
    before = files_below(archive.parent)

    settle(archive)
    forget_noted(archive, [])

    assert files_below(archive.parent) == before
