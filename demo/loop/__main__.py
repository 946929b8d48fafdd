"""`python -m demo.loop`: capture, archive, export, train, evaluate, approve, answer with the new model, roll back."""

import json
import os
import shutil
import subprocess
import sys
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from demo.extraction_task import TASK
from demo.loop import CALLS, FOLDER, ROOT, environment
from demo.loop.expert import MODEL

USER = "demo"

console = Console(highlight=False)


def main() -> None:
    began = time.monotonic()
    os.environ.update(environment())
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    say("1. A database, a small model made on the spot, and a gold set")
    manage("migrate", "--verbosity", "0")
    run("-m", "demo.loop.base")
    manage("createsuperuser", "--noinput", "--username", USER, "--email", "demo@example.com")

    say(f"2. Capture: an application has {CALLS} mails read by {MODEL}, and every call becomes an example")
    run("-m", "demo.loop.calls", "0", str(CALLS))

    say("3. Archive, as Celery does each night")
    manage("archive_training_data")

    say("4. Export: redacted pairs, deduplicated, without anything that will be asked in the evaluation")
    manage("export_finetune")

    say("5. Train: the small model learns the task from them")
    manage("finetune", TASK, "--wait", *(part for option in OPTIONS for part in ("--option", option)))
    model = last_model()

    say("6. Evaluate: the model before and after, beside the one that answers now, on the same questions")
    before = evaluated("local/base")
    after = evaluated(f"local/{model}")
    show(before, after)

    say("7. The gate judges, and a person approves")
    manage("propose_promotion", after["id"], "--by", "the loop")
    [promotion] = told("promotions", "--task", TASK)["promotions"]
    decide(promotion["id"], "--approve", reason="nearly as good, and it costs nothing to ask")

    say("8. The route answers with the new model (a process loads it at its first call)")
    run("-m", "demo.loop.calls", "0", "3", "--show")

    say("9. Roll back: the large model answers again")
    decide(promotion["id"], "--roll-back", reason="only to show that it is one command, or one click")
    run("-m", "demo.loop.calls", "0", "2", "--show")
    manage("routes", TASK)
    console.print(f"\nThe whole loop took {time.monotonic() - began:.0f} s. Its pages: make browse-loop")


# A small model takes larger steps than the defaults, which are for one of hundreds of millions of weights.
OPTIONS = ("epochs=4", "learning_rate=5e-3", "batch_size=16", "rank=32")


def say(heading: str) -> None:
    console.print(f"\n[bold]{heading}", soft_wrap=True)


def run(*arguments: str) -> None:
    """Run Python as anybody would type it."""
    console.print(f"[dim]$ .venv/bin/python {' '.join(_quoted(each) for each in arguments)}", soft_wrap=True)
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{done.stderr}\nThe loop stopped: the command above exited with {done.returncode}.")


def manage(*arguments: str) -> None:
    run("manage.py", *arguments)


def told(*arguments: str) -> Any:
    """What a command says as JSON; for what a person would read off the page."""
    command = [sys.executable, "manage.py", *arguments, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{done.stderr}\nThe loop stopped: {' '.join(arguments)} exited with {done.returncode}.")
    return json.loads(done.stdout)


def evaluated(candidate: str) -> Any:
    console.print(f"[dim]$ .venv/bin/python manage.py evaluate_model {TASK} --candidate {candidate}", soft_wrap=True)
    return told("evaluate_model", TASK, "--candidate", candidate)


def decide(promotion: int, *arguments: str, reason: str) -> None:
    manage("decide_promotion", str(promotion), *arguments, "--by", USER, "--reason", reason)


def last_model() -> str:
    [run] = told("training_runs")["runs"]
    return str(run["model"]["model"])


def show(before: Any, after: Any) -> None:
    table = Table("model", "score", "gain (95 % interval)", "median ms", "USD per 1,000")
    large = after["incumbent"]
    for name, side, gain in (
        ("base, untrained", before["candidate"], before["gain"]),
        ("tuned", after["candidate"], after["gain"]),
        (MODEL, large, None),
    ):
        interval = f"{gain['mean']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})" if gain else ""
        cost = side["cost_usd_per_1000"]
        table.add_row(name, f"{side['score']:.3f}", interval, f"{side['latency_ms_p50']:.0f}", f"{cost or 0:.3f}")
    console.print(table)


def _quoted(text: str) -> str:
    return f"'{text}'" if " " in text else text


if __name__ == "__main__":
    main()
