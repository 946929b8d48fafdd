"""`python -m tests.faults.read_only_folder` captures while the data directory is read-only, and when it is not."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django

NOBODY = 65534


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Meanwhile this process may not write to `folder`, even if it belongs to root."""
    folder.mkdir(parents=True)
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)


def main() -> None:
    from capture_app import call_llm
    from capture_app.metrics import capture_failures_total

    call_llm("warm up: the provider's code is loaded now")
    with read_only(Path(os.environ["TRAINING_DATA_DIR"])):
        meanwhile = [call_llm("hello", training_metadata={}).example_id for _ in range(3)]
    kept = call_llm("hello", training_metadata={}).example_id
    print(json.dumps({"meanwhile": meanwhile, "failures": capture_failures_total(), "kept": kept}))


if __name__ == "__main__":
    django.setup()
    logging.disable()
    main()
