"""`python -m demo [CONVERSATIONS]`: capture, drain, archive, capture more, archive again, verify, and show the ZIP."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import django
from rich.console import Console
from rich.table import Table

from demo import FOLDER, ROOT, environment
from demo.prompts import requests_from

PROCESSES = 4
CALLS, CALLS_OF_A_REAL_MODEL = (400, 120), (24, 8)  # in the first round and in the second

console = Console(highlight=False)


def main() -> None:
    conversations = _arguments().conversations
    requests_from(conversations)  # ends the demo here when there is nothing to replay
    os.environ.update(environment())
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    offline = not os.environ.get("OPENAI_BASE_URL")
    first, second = CALLS if offline else CALLS_OF_A_REAL_MODEL
    console.print("[bold]1. A database for what the admin shows")
    manage("migrate", "--verbosity", "0")
    console.print("\n[bold]2. An application makes calls")
    console.print(_who_answers(offline))
    capture(0, first, conversations)
    manage("archive_status")
    console.print("\n[bold]3. What Celery does each minute, and each night at 05:00 America/Chicago")
    manage("drain_captures")
    manage("archive_training_data")
    console.print("\n[bold]4. More calls, the next night, and a check of everything")
    capture(first, first + second, conversations)
    manage("archive_training_data")
    manage("verify_archive")
    show_archive()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "conversations", nargs="?", type=Path, help="a file or folder of conversations to replay; default: own text"
    )
    found = parser.parse_args()
    if found.conversations is not None and not found.conversations.exists():
        parser.error(f"{found.conversations} does not exist")
    return found


def _who_answers(offline: bool) -> str:
    if offline:
        return "No OPENAI_BASE_URL is set, so the offline provider answers: it asks no model, and says so."
    return f"{os.environ['OPENAI_BASE_URL']} answers; the demo keeps to a few calls."


def manage(*arguments: str) -> None:
    """Run a command as anybody would type it."""
    console.print(f"[dim]$ .venv/bin/python manage.py {' '.join(arguments)}")
    done = subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{done.stderr}\nThe demo stopped: the command above exited with {done.returncode}.")


def capture(first: int, end: int, conversations: Path | None) -> None:
    """Make the calls from `first` to `end`, spread over processes, each of which asks from several threads."""
    more = [str(conversations.resolve())] if conversations else []
    commands = [
        [sys.executable, "-m", "demo.capture", str(first + number), str(PROCESSES), str(end), *more]
        for number in range(PROCESSES)
    ]
    workers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for command in commands]
    outputs = [worker.communicate()[0] for worker in workers]
    if any(worker.returncode for worker in workers):
        raise SystemExit("The demo stopped: a process that makes calls failed; its error stands above.")
    results = [json.loads(output) for output in outputs]
    answered, kept = (sum(result[key] for result in results) for key in ("answered", "kept"))
    errors = [error for result in results for error in result["errors"]]
    if errors:
        console.print(f"[red]Some calls failed, as calls do, and left no example: {errors[0]}")
    if not answered:
        raise SystemExit("The demo stopped: no call was answered.")
    console.print(f"{answered} calls from {PROCESSES} processes were answered, and {kept} are in the inbox.")


def show_archive() -> None:
    django.setup()
    from training_archive.chunks import PREFIX
    from training_archive.reader import iter_chunks

    zip_path = FOLDER / "backups" / "llm_training_dataset.zip"
    console.print(f"\n{zip_path.relative_to(ROOT)} holds, each with its JSON sidecar:")
    table = Table()
    table.add_column("llm_training_chunk_...", no_wrap=True)
    table.add_column("examples", justify="right")
    table.add_column("tasks")
    for chunk in iter_chunks(zip_path):
        tasks = ", ".join(f"{task} {rows}" for task, rows in chunk.rows_per_task.items())
        table.add_row(chunk.chunk.removeprefix(PREFIX) + ".duckdb", str(chunk.rows), tasks)
    console.print(table)
    console.print(
        "\n[bold]What next\n"
        "[/]  make browse                              look at these examples in the admin\n"
        "  make demo CONVERSATIONS=FOLDER           replay conversations of your own\n"
        "  OPENAI_BASE_URL=http://... make demo     let a real model answer\n"
        '  README.md, "In your own project"         wrap the calls you already make'
    )


if __name__ == "__main__":
    main()
