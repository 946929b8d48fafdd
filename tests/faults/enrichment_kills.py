"""`python -m tests.faults.enrichment_kills FILE NUMBER...` imports the file, and has its conversations enriched anew.

Each NUMBER is that of the question on which a child, who enriches, kills itself; 0 for none. How each child ended is
printed, and then how many conversations have which state.
"""

import os
import sys
from collections import Counter
from pathlib import Path

import django


def in_child(dies_at: int) -> int:
    """How it ended: 0, or the number of the signal that killed it as a negative number."""
    from capture_app.providers import get_provider
    from training_files.conversations.enrichment.service import enrich_pending

    pid = os.fork()
    if pid == 0:
        provider = get_provider("labelling")
        provider.dies_at = dies_at  # type: ignore[attr-defined]  # it is our LabellingProvider
        enrich_pending(by="shell")
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(path: Path, deaths: list[int]) -> None:
    from django.db import connection

    from training_files.conversations.importing import import_conversations
    from training_files.models import Conversation

    import_conversations([path], by="shell")
    Conversation.objects.update(enrichment_status=Conversation.Enrichment.PENDING)
    connection.close()  # no child may share it
    print(*map(in_child, deaths))
    print(dict(Counter(Conversation.objects.values_list("enrichment_status", flat=True))))


if __name__ == "__main__":
    django.setup()
    main(Path(sys.argv[1]), [int(each) for each in sys.argv[2:]])
