"""How many bytes an example takes in the archive, and in the files that people keep examples in otherwise."""

import gzip
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from benchmarks import naive
from benchmarks.bulk import TEXT, Bulk, bulk_session
from benchmarks.plots import bar_plot
from benchmarks.report import Bar, Progress, Report
from benchmarks.site import site
from capture_app.duckdb_files import quoted
from capture_app.example import TABLE
from training_archive.services import archive_training_data

LINES, GZIP, PARQUET = "JSON lines", "JSON lines, gzip -9", "Parquet, zstd"
NAIVE, CHUNK, OURS = "naive chunk in its ZIP", "our chunk, taken out of the ZIP", "our chunk in its ZIP"

_ROWS, _QUICK_ROWS = 100_000, 5_000
_LARGEST = 0.95  # of the naive way's

_METHOD = f"""\
The same {{rows:,}} examples, all fifteen columns of them, in each form. {TEXT} *JSON lines* are what the inbox holds.
*Parquet* is written by DuckDB's `COPY ... (FORMAT parquet, COMPRESSION zstd)`; it has no primary key, which the chunks
must have. The *naive chunk* is a database with DuckDB's defaults, after VACUUM and CHECKPOINT,
in a ZIP with deflate 9. Each ZIP is counted whole, with its sidecar."""


def run(*, quick: bool, progress: Progress) -> Report:
    rows = _QUICK_ROWS if quick else _ROWS
    with TemporaryDirectory(prefix="gleaner-bench-") as name:
        folder = Path(name)
        with bulk_session(folder) as bulk:
            sizes = _sizes(bulk, folder, rows, progress)
    return _report({form: size / rows for form, size in sizes.items()}, rows)


def _sizes(bulk: Bulk, folder: Path, rows: int, progress: Progress) -> dict[str, int]:
    """Bytes by form."""
    progress("density: making examples", 0, 4)
    live = bulk.fill(folder / "site", rows)
    lines, packed, parquet = folder / "lines.jsonl", folder / "lines.jsonl.gz", folder / "examples.parquet"
    naive_live, naive_zip = folder / "naive.duckdb", folder / "naive.zip"
    bulk.write_json_lines(lines, rows)
    progress("density: gzip", 1, 4)
    with lines.open("rb") as source, gzip.open(packed, "wb", compresslevel=9) as target:
        shutil.copyfileobj(source, target)
    progress("density: Parquet", 2, 4)
    naive.copy_of(live, naive_live)
    with duckdb.connect(naive_live, read_only=True) as connection:
        connection.execute(f"COPY {TABLE} TO {quoted(str(parquet))} (FORMAT parquet, COMPRESSION zstd)")
    progress("density: chunks", 3, 4)
    naive.archive(naive_live, naive_zip)
    with site(folder / "site"):
        report = archive_training_data()
    return {
        **{form: path.stat().st_size for form, path in ((LINES, lines), (GZIP, packed), (PARQUET, parquet))},
        NAIVE: naive_zip.stat().st_size,
        CHUNK: report.chunks[0].size,
        OURS: report.zip_path.stat().st_size,
    }


def _report(sizes: Mapping[str, float], rows: int) -> Report:
    return Report(
        name="density",
        title="Bytes per example",
        method=_METHOD.format(rows=rows),
        columns=("form", "bytes per example", "of JSON lines", "of the naive chunk"),
        rows=[
            (form, f"{size:,.0f}", f"{size / sizes[LINES]:.1%}", f"{size / sizes[NAIVE]:.1%}")
            for form, size in sizes.items()
        ],
        bars=[
            Bar(
                "our chunk in its ZIP beside the naive one",
                f"at most {_LARGEST} of its {sizes[NAIVE]:,.0f} bytes per example",
                f"{sizes[OURS]:,.0f} bytes, {sizes[OURS] / sizes[NAIVE]:.3f} of it",
                sizes[OURS] <= _LARGEST * sizes[NAIVE],
            ),
            Bar(
                "our chunk in its ZIP beside packed JSON lines",
                f"no more than their {sizes[GZIP]:,.0f} bytes per example",
                f"{sizes[OURS]:,.0f} bytes",
                sizes[OURS] <= sizes[GZIP],
            ),
        ],
        figure=bar_plot("What an example takes", "bytes", sizes, ours=(CHUNK, OURS), logarithmic=False),
        raw={"rows": rows, "bytes_per_example": sizes},
    )
