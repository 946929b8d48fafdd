"""SIGKILL in the middle of an enrichment: run again, it asks only what was not answered yet."""

import signal
from collections import Counter
from pathlib import Path

from tests.faults.conftest import Site
from tests.unit.training_files.conversations.written import full, write


def test_a_killed_enrichment_goes_on_where_it_was_and_asks_nothing_twice(site: Site, tmp_path: Path) -> None:
    file, asked = write(tmp_path / "full.json", full()), tmp_path / "asked"
    settings = {"DJANGO_SETTINGS_MODULE": "tests.faults.enrichment_settings", "ASKED": str(asked)}
    # Five questions about each of two conversations: persona, arc, topic, emotions, and the quality of one answer.
    done = site.run("-m", "tests.faults.enrichment_kills", str(file), "4", "1", "5", "0", **settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{-signal.SIGKILL:d} {-signal.SIGKILL:d} {-signal.SIGKILL:d} 0",
        "{'completed': 2}",
    ]
    assert sorted(Counter(asked.read_text().splitlines()).values()) == [2] * 5  # once for each conversation
