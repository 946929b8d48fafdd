"""Stage 3 of an export, on request: of prompts that say nearly the same, the earliest stays.

MinHash (Broder 1997) turns the set of a prompt's word 5-grams into a signature of 128 slots; the share of equal slots
estimates the Jaccard similarity of two prompts. Locality-sensitive hashing cuts the signature into bands: prompts that
agree in a whole band are candidates, and only those are compared. For the comparison six bits of each slot suffice
(b-bit MinHash, Li and König 2010), one printable character, so that DuckDB can count with `hamming`.

Only prompts of the same task, with the same attachments, and with the same system prompt but for its figures (dates,
versions) are compared. What is left out is always near a prompt that stays, never only near another one that goes.
"""

import re
from array import array
from collections.abc import Iterable
from typing import Final

from rensa import RMinHash

from capture_app.duckdb_files import count_rows
from capture_app.progress import Progress
from training_archive.exports.words import ngrams, words
from training_archive.exports.workspace import ALIAS, Workspace

REASON: Final = "near duplicate"

_SHINGLE = 5  # words
_SLOTS = 128
_SEED = 1  # of the hash functions: the same prompts are duplicates in every export
_WIDTH = array("I").itemsize * _SLOTS  # bytes of a signature
_RECALL = 0.95  # of pairs that are exactly as similar as the threshold
_VALUES = 64  # of the six bits by which two slots are compared
_SIX_BITS = bytes(ord("0") + (value % _VALUES) for value in range(256))
# How many members of a bucket one is compared with, beside the bucket's first. All would be quadratic where thousands
# of prompts share a template; those that are near each other meet in several, smaller buckets.
_NEIGHBOURS = 8


def leave_out_near_duplicates(workspace: Workspace, *, threshold: float, progress: Progress) -> None:
    """Compare one example of each question; those of a question that is left out go together."""
    _number_questions(workspace)
    rows_per_band = _rows_per_band(threshold)
    _sign(workspace, rows_per_band, progress)
    progress("comparing near duplicates", 0, 0)
    _find_candidates(workspace)
    _leave_out(workspace, threshold)


def _rows_per_band(threshold: float) -> int:
    """Slots in a band: as many as find nearly all pairs at the threshold, for more of them make fewer candidates."""
    for slots in (32, 16, 8, 4, 2):
        if 1 - (1 - threshold**slots) ** (_SLOTS // slots) >= _RECALL:
            return slots
    return 1


def _number_questions(workspace: Workspace) -> None:
    """`n` is the order in which they stay: whole answers first, then by time."""
    workspace.execute(
        f"CREATE TABLE {ALIAS}.questions AS "
        "SELECT row_number() OVER (ORDER BY usable DESC, created_at NULLS FIRST, id) - 1 AS n, row, question FROM "
        f"(FROM {ALIAS}.alive QUALIFY "
        "row_number() OVER (PARTITION BY question ORDER BY usable DESC, created_at NULLS FIRST, id) = 1)"
    )
    workspace.execute(f"CREATE TABLE {ALIAS}.signatures (n BIGINT, six_bits VARCHAR)")
    workspace.execute(f"CREATE TABLE {ALIAS}.bands (n BIGINT, bucket UBIGINT)")


def _sign(workspace: Workspace, rows_per_band: int, progress: Progress) -> None:
    total, done = count_rows(workspace.connection, f"{ALIAS}.questions"), 0
    query = (
        "SELECT n, md5(concat_ws(chr(0), label, attachments, regexp_replace(system_prompt, '[0-9]+', '0', 'g'))), "
        f"prompt_text FROM {ALIAS}.questions JOIN {ALIAS}.examples ON examples.rowid = questions.row"
    )
    for batch in workspace.batches(query):
        _sign_batch(workspace, batch, rows_per_band)
        done += len(batch)
        progress("signing prompts", done, total)


def _sign_batch(workspace: Workspace, batch: list[tuple[int, str, str]], rows_per_band: int) -> None:
    shingles = [(n, scope, _shingles(text or "")) for n, scope, text in batch]
    signed = [(n, scope, found) for n, scope, found in shingles if found]  # no word at all: nothing to compare
    matrix = RMinHash.digest_matrix_from_token_sets([found for _, _, found in signed], _SLOTS, _SEED).to_rows()
    signatures = [array("I", slots).tobytes() for slots in matrix]
    numbers = [n for n, _, _ in signed]
    six_bits = [signature[:: _WIDTH // _SLOTS].translate(_SIX_BITS).decode() for signature in signatures]
    workspace.insert("signatures", ("BIGINT", "VARCHAR"), zip(numbers, six_bits, strict=True))
    length = rows_per_band * _WIDTH // _SLOTS
    workspace.execute(
        f"INSERT INTO {ALIAS}.bands SELECT n, hash(scope, start, array_slice(signature, start + 1, start + {length})) "
        "FROM (SELECT unnest(?::BIGINT[]) AS n, unnest(?::VARCHAR[]) AS scope, unnest(?::BLOB[]) AS signature), "
        f"range(0, {_WIDTH}, {length}) AS bands (start)",
        [numbers, [scope for _, scope, _ in signed], signatures],
    )


def _shingles(text: str) -> list[str]:
    return [" ".join(shingle) for shingle in ngrams(words(text), _SHINGLE)]


def _find_candidates(workspace: Workspace) -> None:
    """Pairs of (later, earlier) that share a bucket."""
    lags = ", ".join(f"lag(n, {distance}) OVER bucket" for distance in range(1, _NEIGHBOURS + 1))
    workspace.execute(
        f"CREATE TABLE {ALIAS}.candidates AS SELECT DISTINCT n AS later, earlier FROM ("
        f"SELECT n, unnest([first_value(n) OVER bucket, {lags}]) AS earlier FROM {ALIAS}.bands "
        f"WHERE bucket IN (SELECT bucket FROM {ALIAS}.bands GROUP BY bucket HAVING count(*) > 1) "
        "WINDOW bucket AS (PARTITION BY bucket ORDER BY n)) WHERE earlier < n"
    )
    workspace.execute(f"DROP TABLE {ALIAS}.bands")


def _leave_out(workspace: Workspace, threshold: float) -> None:
    """In the order of `n`, whoever is near one that stays goes."""
    # Slots that differ have the same six bits once in 64; that much of the agreement is chance.
    agreement = f"(1 - hamming(a.six_bits, b.six_bits) / {_SLOTS})"
    pairs = workspace.rows(
        f"SELECT later, earlier FROM {ALIAS}.candidates "
        f"JOIN {ALIAS}.signatures AS a ON a.n = later JOIN {ALIAS}.signatures AS b ON b.n = earlier "
        f"WHERE ({agreement} - 1 / {_VALUES}) / (1 - 1 / {_VALUES}) >= ? ORDER BY later",
        [threshold],
    )
    goes = _near_one_that_stays(pairs, count_rows(workspace.connection, f"{ALIAS}.questions"))
    workspace.execute(f"CREATE TABLE {ALIAS}.near (n BIGINT)")
    workspace.insert("near", ("BIGINT",), ((found.start(),) for found in re.finditer(b"\x01", goes)))
    workspace.leave_out(
        REASON,
        f"SELECT row FROM {ALIAS}.alive WHERE question IN "
        f"(SELECT question FROM {ALIAS}.questions JOIN {ALIAS}.near USING (n))",
    )


def _near_one_that_stays(pairs: Iterable[tuple[int, int]], count: int) -> bytearray:
    """One byte for each of `count` questions, 1 for those that go. `pairs` come in the order of the later one."""
    goes = bytearray(count)
    for later, earlier in pairs:
        if not goes[earlier]:
            goes[later] = 1
    return goes
