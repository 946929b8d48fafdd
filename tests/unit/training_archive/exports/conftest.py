"""What the tests of exports share."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_archive.material import Row, write_archive
from training_archive.exports.options import ExportOptions, ExportReport
from training_archive.exports.service import export_dataset

Export = Callable[..., ExportReport]
ARGUMENTS = ("out", "zip_path", "overwrite", "dry_run", "progress")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where the export of this test will be."""
    return tmp_path / "export"


@pytest.fixture
def export(out: Path) -> Export:
    """Export the archive into `out`, unsplit and in the format `extraction`, unless something else is said."""

    def run(**values: Any) -> ExportReport:
        arguments = {"out": out, **{name: values.pop(name) for name in ARGUMENTS if name in values}}
        options = {"format": "extraction", "source": "archive", "split": (Fraction(1),), **values}
        return export_dataset(options=ExportOptions(**options), **arguments)

    return run


@pytest.fixture
def export_of(export: Export, zip_path: Path) -> Callable[..., ExportReport]:
    """Archive these examples as one chunk, and export them."""

    def run(rows: Iterable[Row], **values: Any) -> ExportReport:
        write_archive(zip_path, list(rows))
        return export(**values)

    return run
