"""Stage 4 of an export: no example may ask what an evaluation will ask.

A held-out prompt of fewer words than `n` must be a whole prompt to count; of a longer one, any `n` words in a row that
an example's prompt has too are contamination (Brown et al. 2020 take 13). That is for files that somebody names. What
apps hold out for evaluations of their own is left out of every export: see training_archive.held_out for what counts.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from capture_app.duckdb_files import count_rows
from capture_app.progress import Progress
from training_archive.exports.held_out_files import prompts_in
from training_archive.exports.words import ngrams, words
from training_archive.exports.workspace import ALIAS, Workspace
from training_archive.held_out import HeldOutIndex, held_out_index

REASON: Final = "held out"

# N-grams held in memory at once, some 80 MB. Those of more prompts are looked for in several passes.
_IN_MEMORY = 2**20


def leave_out_held_out(workspace: Workspace, *, files: Iterable[Path], n: int, progress: Progress) -> None:
    """Leave out what shares an n-gram with a prompt in `files`. Raises ExportError for a file that holds no prompts."""
    workspace.execute(f"CREATE TABLE {ALIAS}.held_out (fingerprint BIGINT)")
    for path in files:
        progress("reading held-out prompts", 0, 0)
        held_out = (found for prompt in prompts_in(path, workspace.scratch) for found in _fingerprints(prompt, n))
        workspace.insert("held_out", ("BIGINT",), ((fingerprint,) for fingerprint in held_out))
    passes = _passes(count_rows(workspace.connection, f"{ALIAS}.held_out"))
    workspace.execute(f"CREATE TABLE {ALIAS}.contaminated (row BIGINT)")
    for number in range(passes):
        part = f"SELECT DISTINCT fingerprint FROM {ALIAS}.held_out WHERE fingerprint & {passes - 1} = {number}"
        fingerprints = {fingerprint for (fingerprint,) in workspace.rows(part)}
        workspace.insert("contaminated", ("BIGINT",), _contaminated(workspace, fingerprints, n, progress))
    workspace.leave_out(REASON, f"SELECT DISTINCT row FROM {ALIAS}.contaminated")


def leave_out_evaluated(workspace: Workspace, progress: Progress) -> None:
    """Leave out what asks what any app holds out."""
    held_out = held_out_index()
    if not len(held_out):
        return
    workspace.execute(f"CREATE TABLE {ALIAS}.evaluated (row BIGINT)")
    workspace.insert("evaluated", ("BIGINT",), _evaluated(workspace, held_out, progress))
    workspace.leave_out(REASON, f"FROM {ALIAS}.evaluated")


def _evaluated(workspace: Workspace, held_out: HeldOutIndex, progress: Progress) -> Iterator[tuple[int]]:
    for row, text in _prompts(workspace, progress):
        if held_out.holds(text):
            yield (row,)


def _passes(fingerprints: int) -> int:
    """A power of two, so that some bits of a fingerprint say to which pass it belongs."""
    return 1 << max(0, (fingerprints - 1) // _IN_MEMORY).bit_length()


def _fingerprints(text: str, n: int) -> Iterable[int]:
    """Python's own hash differs from process to process; these never leave this one."""
    return map(hash, ngrams(words(text), n))


def _contaminated(workspace: Workspace, fingerprints: set[int], n: int, progress: Progress) -> Iterator[tuple[int]]:
    for row, text in _prompts(workspace, progress):
        if not fingerprints.isdisjoint(_fingerprints(text, n)):
            yield (row,)


def _prompts(workspace: Workspace, progress: Progress) -> Iterator[tuple[int, str]]:
    """Of all examples that are not left out so far."""
    total, done = count_rows(workspace.connection, f"{ALIAS}.alive"), 0
    query = f"SELECT row, prompt_text FROM {ALIAS}.alive JOIN {ALIAS}.examples ON examples.rowid = alive.row"
    for batch in workspace.batches(query):
        yield from ((row, text or "") for row, text in batch)
        done += len(batch)
        progress("looking for held-out prompts", done, total)
