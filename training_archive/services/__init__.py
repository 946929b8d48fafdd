"""The verbs on the archive itself. Commands, tasks and everything downstream call these and nothing below them.

Exports, imports and shipping have services of their own: `exports.service`, `importing.service`, `shipping.service` and
`shipping.fetching`, `requeue`.
"""

from training_archive.services.archive import ArchiveReport, archive_training_data
from training_archive.services.forgetting import ForgetReport, forget
from training_archive.services.index import rebuild_example_index
from training_archive.services.merge import Merged, MergeReport, merge_chunks
from training_archive.services.prune import OldChunk, PruneReport, prune_archive
from training_archive.services.repair import RepairedZip, RepairReport, repair_archive
from training_archive.services.status import ArchiveStatus, ZipStatus, archive_status
from training_archive.services.verify import Problem, VerifyReport, verify_archive

__all__ = [
    "ArchiveReport",
    "ArchiveStatus",
    "ForgetReport",
    "MergeReport",
    "Merged",
    "OldChunk",
    "Problem",
    "PruneReport",
    "RepairReport",
    "RepairedZip",
    "VerifyReport",
    "ZipStatus",
    "archive_status",
    "archive_training_data",
    "forget",
    "merge_chunks",
    "prune_archive",
    "rebuild_example_index",
    "repair_archive",
    "verify_archive",
]
