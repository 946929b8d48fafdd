"""python -m benchmarks.export_once WAY FORMAT FOLDER: export the configured archive, ours or by hand.

Prints JSON: `seconds` and `rows`. The clock starts when everything is imported.
"""

import json
import sys
from fractions import Fraction
from pathlib import Path

import django

django.setup()

from benchmarks import by_hand  # noqa: E402  (after Django's settings, as those below)
from benchmarks.measure import timed  # noqa: E402  (as above)
from training_archive.conf import archive_settings  # noqa: E402  (as above)
from training_archive.exports.options import ARCHIVE, NONE, ExportOptions  # noqa: E402  (as above)
from training_archive.exports.service import export_dataset  # noqa: E402  (as above)

OURS = "export_dataset"


def _export(way: str, format_name: str, folder: Path) -> int:
    if way != OURS:
        return by_hand.export(format_name, archive_settings().zip_path, folder)
    options = ExportOptions(format=format_name, source=ARCHIVE, dedupe=NONE, split=(Fraction(1),))
    return export_dataset(options=options, out=folder).rows


def _main(way: str, format_name: str, folder: Path) -> None:
    with timed() as watch:
        rows = _export(way, format_name, folder)
    json.dump({"seconds": watch.seconds, "rows": rows}, sys.stdout)


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
