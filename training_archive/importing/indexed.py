"""Whether the index knows the archive: without it, an import stores again what lies there."""

from training_archive.conf import archive_settings
from training_archive.exceptions import ArchiveError
from training_archive.locks import only_run
from training_archive.records import known_chunks
from training_archive.sealed import sealed_folder
from training_archive.services.archive import archived_names


def check_archive_is_indexed() -> None:
    """Raises ArchiveError when a chunk of this Gleaner's archive is not in Django's database, ArchiveBusy when a run
    that may be about to write it there is at work."""
    zip_path = archive_settings().zip_path.resolve()
    if not archived_names(zip_path).keys() - known_chunks(zip_path).keys():
        return
    with only_run(sealed_folder(), zip_path):
        unknown = archived_names(zip_path).keys() - known_chunks(zip_path).keys()
    if unknown:
        raise ArchiveError(
            f"The index does not know {len(unknown)} of the chunks in the archive {zip_path}, so what is in them could "
            "be stored twice. Nothing was imported. Run `manage.py rebuild_example_index` first, then this again."
        )
