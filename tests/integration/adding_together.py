"""`python -m tests.integration.adding_together`: processes that add to one training file at once, and what came of it.

Prints a JSON object: how many won the race for a name, and what is wrong with the file they all added to.
"""

import json
import os
import sys
from typing import Any

import django

PROCESSES, EACH = 8, 5


def main() -> None:
    from django.core.management import call_command
    from django.db import connection

    from tests.unit.training_files.material import ADA, made, stored
    from training_files.service import get_training_file

    call_command("migrate", "training_files", verbosity=0)
    stored(*range(1, PROCESSES * EACH + 1))
    training_file = made(0, name="shared")
    connection.close()  # nothing of a connection is shared
    start_read, start_write = os.pipe()
    children = [_fork(number, str(training_file.pk), start_read, start_write) for number in range(PROCESSES)]
    os.close(start_read)
    os.close(start_write)  # they all begin now
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    problems = _problems(str(get_training_file(training_file.pk).pk), [f"c{n}" for n in range(PROCESSES * EACH + 1)])
    print(json.dumps({"statuses": sorted(statuses), "problems": problems, "by": ADA.name}))


def _fork(number: int, file_id: str, start_read: int, start_write: int) -> int:
    child = os.fork()
    if child:
        return child
    os.close(start_write)
    os.read(start_read, 1)  # returns when the last of the others has closed its end
    try:
        os._exit(_add(number, file_id))
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(99)


def _add(number: int, file_id: str) -> int:
    """1 when the name was taken, else 0."""
    from tests.unit.training_files.material import ADA
    from training_files.exceptions import NameTaken
    from training_files.service import add_conversations, create_training_file

    for each in range(number * EACH + 1, (number + 1) * EACH + 1):
        add_conversations(file_id, [f"c{each}"], by=ADA)
    try:
        create_training_file("wanted by all", conversation_ids=["c1"], by=ADA)
    except NameTaken:
        return 1
    return 0


def _problems(file_id: str, expected: list[str]) -> list[str]:
    from tests.unit.training_files.material import both_files, enriched, ids_in, written_anew
    from training_files.models import LooseFile, TrainingFile
    from training_files.service import describe

    described = describe(TrainingFile.objects.get(pk=file_id))
    held = ids_in(described)
    conversations = [enriched(int(each.removeprefix("c"))) for each in held]
    checks = {
        "some were lost, or are there twice": sorted(held) == sorted(expected),
        "the files are not what they hold": both_files(described.file) == written_anew(described, conversations),
        "a revision was lost": described.version.revision == PROCESSES * EACH + 1,
        "more is loose than what the losers wrote": LooseFile.objects.count() in range(0, 2 * PROCESSES, 2),
    }
    return [problem for problem, holds in {**checks, **_other_verbs(file_id)}.items() if not holds]


def _other_verbs(file_id: str) -> dict[str, bool]:
    """That they do on this database what they do on others."""
    from tests.unit.training_files.material import ADA, enriched
    from training_files import builds, service

    wanted: dict[str, Any] = {"persona": "persona1", "tier": "seed_dataset", "min_quality": 1}
    found = service.find_training_files(**wanted, name="SHARED")
    service.new_version(file_id, by=ADA)
    service.remove_conversations(file_id, ["c1", "c2"], by=ADA)
    builds.run_build(builds.start_build(file_id, conversation_ids=["c2", "c1"], by=ADA, skip_present=True).pk)
    service.remove_conversations(file_id, ["c1"], by=ADA)
    profile = service.get_training_file(file_id).consultant_profile
    diff = service.diff_versions(file_id, 1, 2)
    other = service.create_training_file("other", conversation_ids=["c1"], by=ADA)
    checks = {
        "it is not found": [each.name for each in found] == ["shared"],
        "the versions do not differ by what was removed": (diff.added, diff.removed) == ([], ["c1"]),
        "the profile is not the first one": profile in ({}, *(enriched(each).profile for each in range(1, 41, 4))),
        "keys lost their order": list(other.consultant_profile) == ["zebra", "name"],
    }
    service.delete_training_file(file_id, by=ADA)
    return checks


if __name__ == "__main__":
    django.setup()
    main()
