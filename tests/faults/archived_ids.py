"""`python -m tests.faults.archived_ids ZIP` prints the id of every row in it, with zipfile and DuckDB alone.

It shares no code with Gleaner's reader, so that it can find what that overlooks.
"""

import sys
import tempfile
import zipfile
from pathlib import Path

import duckdb


def main(zip_path: str) -> None:
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(zip_path) as archive:
        for name in archive.namelist():
            if name.endswith(".duckdb"):
                connection = duckdb.connect(archive.extract(name, folder), read_only=True)
                for (example_id,) in connection.execute("SELECT id FROM examples").fetchall():
                    print(example_id)
                connection.close()
                (Path(folder) / name).unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])
