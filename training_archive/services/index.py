"""The index of examples, made anew from what is archived and live."""

from pathlib import Path

from django.db import transaction

from capture_app.conf import capture_settings
from capture_app.duckdb_files import table_comment
from capture_app.example import TABLE
from capture_app.index import index_examples
from capture_app.models import ExampleIndex
from capture_app.progress import Progress, silent
from capture_app.services import index_live_database
from training_archive.chunks import attach_chunk
from training_archive.cold.settling import remember_cold, settled_ledger
from training_archive.conf import archive_settings
from training_archive.dated_names import archive_zips
from training_archive.exceptions import ArchiveError
from training_archive.locks import only_run
from training_archive.models import ArchivedChunk, ArchivedGeneration
from training_archive.reader import CHUNK, attached_chunks, reading_session
from training_archive.records import remember_archive
from training_archive.removed_chunks import keep_leaving
from training_archive.sealed import sealed_files, sealed_folder


def rebuild_example_index(*, zip_path: Path | None = None, progress: Progress = silent) -> int:
    """Make ExampleIndex and the records of chunks anew from the ZIPs, the sealed files and the live database.

    The rows indexed. What is archived is replaced in one transaction: interrupted, the index is as it was. Captures go
    on meanwhile, and drains wait; an archive run is refused. Chunks that a killed pruning left are indexed again and
    stay. Of what is in cold storage the index keeps what it has.

    Raises ArchiveError when a ZIP is named and there is none: the index of another would be lost.
    """
    if zip_path and not archive_zips(zip_path):
        raise ArchiveError(f"There is no archive at {zip_path}. Nothing was changed; check --zip-path.")
    zip_path = (zip_path or archive_settings().zip_path).resolve()
    with only_run(sealed_folder(), zip_path):
        settled_ledger(zip_path)
        live_generation, live_rows = index_live_database()
        with transaction.atomic():
            cold = ArchivedChunk.objects.filter(zip_name__in=remember_cold(zip_path))
            kept = ArchivedGeneration.objects.filter(chunk__in=cold).values("generation")
            ExampleIndex.objects.exclude(generation=live_generation).exclude(generation__in=kept).delete()
            ArchivedChunk.objects.exclude(pk__in=list(cold.values_list("pk", flat=True))).delete()
            remember_archive(zip_path)
            archived_rows = _index_archive(zip_path, progress) if archive_zips(zip_path) else 0
            sealed_rows = _index_sealed()
        keep_leaving(zip_path)
    return live_rows + archived_rows + sealed_rows


def _index_archive(zip_path: Path, progress: Progress) -> int:
    rows = 0
    with reading_session(capture_settings().data_dir) as (connection, scratch):
        for sidecar in attached_chunks(connection, zip_path, scratch, progress):
            rows += index_examples(connection, f"{CHUNK}.{TABLE}", sidecar.generations[0])
    return rows


def _index_sealed() -> int:
    rows = 0
    for sealed in sealed_files():
        with reading_session(capture_settings().data_dir) as (connection, _):
            attach_chunk(connection, sealed, CHUNK)
            generation = table_comment(connection, CHUNK) or sealed.stem
            rows += index_examples(connection, f"{CHUNK}.{TABLE}", generation)
    return rows
