"""How an export lies in its folder: as a folder of its own, or with the names of the data-extraction finetuner.

That one reads `{slug}.{schema}.jsonl`, `{slug}_latest.jsonl` (the same bytes) and `manifest.{schema}.json`, from a
folder that may hold other data sets: each file is put in place in one rename, the manifest as the last. The latest is
always replaced; what has a schema in its name, only on request.
"""

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from capture_app.duckdb_files import quoted
from capture_app.files import fsync_directory, fsync_file
from training_archive.exports import publication
from training_archive.exports.exceptions import ExportError
from training_archive.exports.formats.base import Format
from training_archive.exports.manifest import LINEAGE, MANIFEST, read_manifest, to_json, write_lineage
from training_archive.exports.workspace import ALIAS, Workspace


class Layout(ABC):
    """Where the files of an export go."""

    manifest_name: str

    def __init__(self, out: Path) -> None:
        self.out = out  # absolute

    @abstractmethod
    def check(self) -> None:
        """Raise ExportError when the export may not be written here."""

    @abstractmethod
    def staging(self) -> Any:
        """A context manager: the folder in which the export is prepared. ExportBusy when another run has it."""

    @abstractmethod
    def finish(self, staging: Path, workspace: Workspace, kind: Format, manifest: dict[str, Any]) -> dict[str, Any]:
        """Write lineage, card and manifest beside the shards; the manifest as it was written."""

    @abstractmethod
    def publish(self, staging: Path) -> None:
        """Put all in place."""


class FolderLayout(Layout):
    """The folder is the export's own."""

    manifest_name = MANIFEST

    def __init__(self, out: Path, *, overwrite: bool) -> None:
        super().__init__(out)
        self._overwrite = overwrite

    def check(self) -> None:
        publication.check_folder(self.out, overwrite=self._overwrite)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        with publication.staging_folder(self.out.with_name(f".{self.out.name}.exporting")) as folder:
            publication.put_back(self.out)
            self.check()
            yield folder

    def finish(self, staging: Path, workspace: Workspace, kind: Format, manifest: dict[str, Any]) -> dict[str, Any]:
        write_lineage(workspace, staging / LINEAGE)
        for path in kind.finish(staging, manifest):
            fsync_file(path)
        complete = {**manifest, "lineage": LINEAGE, "files": publication.names_below(staging)}
        _write(staging / MANIFEST, to_json(complete))
        publication.make_private(staging)
        return complete

    def publish(self, staging: Path) -> None:
        self.check()
        publication.put_in_place(staging, self.out)


class SlugLayout(Layout):
    """One file with a slug and a schema in its name."""

    def __init__(self, out: Path, slug: str, schema: str, input_source: str, *, overwrite: bool) -> None:
        super().__init__(out)
        self._overwrite = overwrite
        self._slug, self._schema, self._input_source = slug, schema, input_source
        self._data = f"{slug}.{schema}.jsonl"
        self._latest = f"{slug}_latest.jsonl"
        self.manifest_name = f"manifest.{schema}.json"

    def check(self) -> None:
        if self.out.exists() and not self.out.is_dir():
            raise ExportError(f"{self.out} is no folder. Nothing was changed; choose another --out.")
        other = (read_manifest(self.out / self.manifest_name) or {}).get("slug", self._slug)
        if other != self._slug:
            raise ExportError(
                f"{self.manifest_name} in {self.out} is that of {other!r}. Nothing was changed; choose another folder."
            )
        there = [name for name in (self._data, self.manifest_name) if (self.out / name).exists()]
        if there and not self._overwrite:
            raise ExportError(
                f"{self.out} holds {there[0]} already. Nothing was changed; name another schema, or replace it with "
                "--overwrite."
            )

    @contextmanager
    def staging(self) -> Iterator[Path]:
        with publication.staging_folder(self.out / ".exporting") as folder:
            self.check()
            yield folder

    def finish(self, staging: Path, workspace: Workspace, kind: Format, manifest: dict[str, Any]) -> dict[str, Any]:
        [split] = manifest["splits"].values()
        [shard] = split["shards"]
        (staging / shard["name"]).rename(staging / self._data)
        shard["name"] = self._data
        self._write_lineage(staging, workspace)
        complete = {
            "schema_version": self._schema,
            "input_source": self._input_source,
            "total_examples": manifest["rows"],
            "task_counts": split["tasks"],
            "slug": self._slug,
            **manifest,
            "lineage": LINEAGE,
            "files": [self._data, self._latest],
        }
        _write(staging / self.manifest_name, to_json(complete))
        publication.make_private(staging)
        return complete

    def _write_lineage(self, staging: Path, workspace: Workspace) -> None:
        """One lineage for the folder: `dataset` says which of its files holds the example."""
        old, data = self.out / LINEAGE, quoted(self._data)
        others = f"UNION ALL SELECT id, chunk, split, reason, dataset FROM read_parquet({quoted(str(old))}) "
        workspace.execute(
            f"CREATE VIEW {ALIAS}.lineage_of_folder AS SELECT *, {data} AS dataset FROM {ALIAS}.lineage "
            f"{f'{others} WHERE dataset <> {data}' if old.exists() else ''}"
        )
        write_lineage(workspace, staging / LINEAGE, table="lineage_of_folder")

    def publish(self, staging: Path) -> None:
        _link(staging / self._data, staging / self._latest)
        # The lineage first: no example is ever in a file, and not in the lineage.
        for name in (LINEAGE, self._data, self._latest, self.manifest_name):
            (staging / name).replace(self.out / name)
        fsync_directory(self.out)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links; a real error comes again below
        shutil.copy2(source, target)
        fsync_file(target)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    fsync_file(path)


def layout_of(out: Path, *, slug: str, schema: str, input_source: str, overwrite: bool) -> Layout:
    """The layout that the options ask for, checked. Raises ExportError."""
    layout: Layout = (
        SlugLayout(out, slug, schema, input_source, overwrite=overwrite)
        if slug
        else FolderLayout(out, overwrite=overwrite)
    )
    layout.check()
    return layout


def rows_by_split(manifest: Mapping[str, Any]) -> dict[str, int]:
    return {name: split["rows"] for name, split in manifest["splits"].items()}
