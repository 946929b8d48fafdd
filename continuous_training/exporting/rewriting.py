"""Exported files without some of their pairs, staged: what `forget` puts in the place of the old ones."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from continuous_training.exporting.layout import (
    MANIFEST_SUFFIX,
    MASTER_MANIFEST,
    STAGING,
    SUFFIX,
    File,
    hash_of,
    lane_of,
    make_private,
)
from continuous_training.exporting.master import Master, Task, lines_of, manifest_of, read_master, write_lines
from continuous_training.exporting.publishing import Plan, to_json, write_plan, write_staged
from continuous_training.models import FinetuneExport

Hashes = Collection[str]


def stage_without(folder: Path, unwanted: Mapping[Task, Hashes], forgotten: Sequence[str]) -> None:
    """Stage all files of the folder that hold pairs of these hashes anew, without them, and the plan of it.

    `forgotten` are the ids of the examples in whose rows that is to be noted.
    """
    _Rewriting(folder, unwanted).stage(forgotten)


class _Rewriting:
    def __init__(self, folder: Path, unwanted: Mapping[Task, Hashes]) -> None:
        self._folder = folder
        self._staging = folder / STAGING
        self._unwanted = {lane_of(task): hashes for task, hashes in unwanted.items() if hashes}
        self._staged: list[str] = []
        self._manifests: list[str] = []
        self._removed: list[str] = []
        self._changed: dict[str, list[dict[str, Any]]] = {}

    def stage(self, forgotten: Sequence[str]) -> None:
        for export in FinetuneExport.objects.filter(folder=str(self._folder)):
            self._rewrite_export(export)
        self._rewrite_master()
        if self._staged or self._removed or forgotten:
            make_private(self._staging)
            files = [*self._staged, *self._manifests]
            write_plan(self._staging, Plan("", files, self._removed, self._changed, forgotten))

    def _rewrite_export(self, export: FinetuneExport) -> None:
        before = [File.from_json(file) for file in export.files]
        after = self._without(before)
        if after == before:
            return
        files = self._changed[export.pk] = [file.as_json() for file in after]
        manifest = export.pk + MANIFEST_SUFFIX
        if (self._folder / manifest).is_file():
            facts = orjson.loads((self._folder / manifest).read_bytes())
            self._stage_manifest(manifest, to_json({**facts, "files": files}))

    def _rewrite_master(self) -> None:
        before = read_master(self._folder) or Master({})
        after = {task: files for task, there in before.files.items() if (files := self._without(there))}
        if after != before.files:
            self._stage_manifest(MASTER_MANIFEST, manifest_of(Master(after), updated_at=datetime.now(UTC)))

    def _without(self, files: Sequence[File]) -> list[File]:
        """The files as they will be. One of which nothing is left goes; one that is not there is left alone."""
        return [kept for file in files if (kept := self._kept(file)) is not None]

    def _kept(self, file: File) -> File | None:
        path = PurePosixPath(file.name)
        lane = "" if str(path.parent) == "." else str(path.parent)
        unwanted, there = self._unwanted.get(lane, ()), self._folder / path
        if not unwanted or not there.is_file() or not any(hash_of(line) in unwanted for line in lines_of(there)):
            return file
        stem = path.name.removesuffix(SUFFIX)
        written = write_lines(self._staging, lane, stem, lines_of(there, unwanted), limit=file.bytes)
        if not written:
            self._removed.append(file.name)
            return None
        self._staged.append(file.name)
        return written[0]

    def _stage_manifest(self, name: str, content: bytes) -> None:
        write_staged(self._staging, name, content)
        self._manifests.append(name)
