"""Can other releases of DuckDB read our chunks?

    python -m tests.duckdb_releases

A chunk is made with the installed release, then read with each of RELEASES, in an environment of its own that has
nothing but that release. One line for each; the exit status is 1 when any of them cannot.
"""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import django
import duckdb
from django.core.management import call_command
from django.test import override_settings

from capture_app import call_llm
from capture_app.example import COLUMNS, PRIMARY_KEY

ROOT: Final = Path(__file__).resolve().parents[1]
RELEASES: Final = ("1.4.5", "1.5.6", "2.0.0")  # the last of each series that is in use
EXAMPLES: Final = 100
PAGE: Final = "page/\u2603"  # what a JSON field must give back

# What a consumer does who knows the ZIP and DuckDB, and nothing of Gleaner.
READER: Final = f"""
import sys, zipfile
from pathlib import Path
import duckdb

def check(what, found, expected):
    if found != expected:
        sys.exit(f"{{what}}: {{found!r}} instead of {{expected!r}}")

def check_examples(connection, database, table):
    here = f"database_name = '{{database}}' AND table_name = 'examples'"
    def rows(query):
        return connection.execute(query).fetchall()
    check("rows", rows(f"SELECT count(*) FROM {{table}}"), [({EXAMPLES},)])
    columns = rows(f"SELECT column_name, data_type FROM duckdb_columns() WHERE {{here}} ORDER BY column_index")
    check("columns", columns, {list(COLUMNS.items())!r})
    pages = rows(f"SELECT DISTINCT metadata->>'$.page' FROM {{table}}")
    check("a JSON field", pages, [({PAGE!r},)])
    keys = rows(f"SELECT constraint_column_names FROM duckdb_constraints() "
                f"WHERE {{here}} AND constraint_type = 'PRIMARY KEY'")
    check("primary key", keys, [([{PRIMARY_KEY!r}],)])

archive, folder, name = sys.argv[1:]
with zipfile.ZipFile(archive) as opened:
    chunk = Path(opened.extract(name, folder))

with duckdb.connect(str(chunk), read_only=True) as connection:
    check_examples(connection, chunk.stem, "examples")
with duckdb.connect() as connection:
    connection.execute(f"ATTACH '{{chunk}}' AS chunk (READ_ONLY)")
    check_examples(connection, "chunk", "chunk.examples")
    connection.execute("CREATE TABLE examples AS FROM chunk.examples")
check("release", duckdb.__version__, Path(sys.prefix).name.rpartition("-")[2])
"""


def make_archive(folder: Path) -> Path:
    """An archive of one chunk, captured and archived as ever."""
    from training_archive.services import archive_training_data  # needs a Django that is set up

    call_command("migrate", verbosity=0)
    with override_settings(TRAINING_CAPTURE={"DATA_DIR": folder / "backups", "DEFAULT_PROVIDER": "offline"}):
        for number in range(EXAMPLES):
            call_llm(f"Question {number}", task="shop", training_metadata={"page": PAGE})
        return archive_training_data().zip_path


def environment_with(release: str) -> Path:
    """The Python of an environment that has this release of DuckDB; it is made once."""
    folder = ROOT / f".venv-duckdb-{release}"
    python = folder / "bin" / "python"
    done = folder / "complete"
    if not done.exists():
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--only-binary", ":all:"]
        subprocess.run([*pip, f"duckdb=={release}"], check=True)
        done.touch()
    return python


def problem_of(release: str, archive: Path) -> str:
    """Why this release cannot read the chunk; "" when it can."""
    with TemporaryDirectory() as folder, zipfile.ZipFile(archive) as opened:
        chunk = opened.namelist()[0]
        command = [str(environment_with(release)), "-I", "-c", READER, str(archive), folder, chunk]
        process = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    return "" if process.returncode == 0 else process.stderr.strip() or f"exit status {process.returncode}"


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    failed = 0
    with TemporaryDirectory() as folder:
        archive = make_archive(Path(folder))
        for release in RELEASES:
            problem = problem_of(release, archive)
            failed += bool(problem)
            outcome = f"FAILED: {problem}" if problem else f"ok, {EXAMPLES} examples"
            print(f"DuckDB {release} reads a chunk of {duckdb.__version__}: {outcome}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
