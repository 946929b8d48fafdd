"""The archive's figures for /metrics. Read without a lock, and without opening the ZIP or DuckDB."""

from collections.abc import Iterator

from capture_app.conf import capture_settings
from capture_app.gauges import Gauge, register_gauges
from training_archive.cold.ledger import cold_parts
from training_archive.conf import SEALED_FOLDER, archive_settings
from training_archive.dated_names import archive_zips


@register_gauges
def sealed_files() -> Iterator[Gauge]:
    folder = capture_settings().data_dir / SEALED_FOLDER
    yield Gauge(
        name="gleaner_sealed_files",
        help="Live databases that were taken away and are not in the ZIP yet.",
        value=sum(1 for _ in folder.glob("*.duckdb")),
    )


@register_gauges
def archive() -> Iterator[Gauge]:
    sizes = [path.stat().st_size for path in archive_zips(archive_settings().zip_path) if path.exists()]
    yield Gauge(name="gleaner_archive_bytes", help="Size of all ZIPs; 0 when there is none yet.", value=sum(sizes))
    yield Gauge(name="gleaner_archive_zips", help="How many ZIPs the archive has.", value=len(sizes))


@register_gauges
def cold_storage() -> Iterator[Gauge]:
    parts = cold_parts(archive_settings().zip_path.resolve())
    size, rows = sum(part.size for part in parts), sum(part.rows for part in parts)
    yield Gauge(name="gleaner_cold_storage_bytes", help="Size of all parts in cold storage.", value=size)
    yield Gauge(name="gleaner_cold_storage_examples", help="Examples in cold storage.", value=rows)
