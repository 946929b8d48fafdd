"""What is done to one installation, verb by verb, each checked by the model."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.unit.training_archive.model.expectation import Model
from tests.unit.training_archive.model.installation import Installation

Kill = int | str | None  # see killing.py


class History:
    """Begins with an empty installation."""

    def __init__(self, site: Installation) -> None:
        self.site = site
        self.model = Model(site.look())

    def do(self, verb: str, kill_at: Kill = None, **arguments: Any) -> bool:
        """Do the verb, and check what is there now; whether it was killed."""
        given = dict(arguments)
        if verb == "take_in":
            given["lines"] = [self.model.lines[example_id] + "\n" for example_id in given.pop("ids")]
        outcome = self.site.do(verb, kill_at=kill_at, **given)
        self.model.check(verb, arguments, killed=outcome.killed, after=self.site.look())
        return outcome.killed

    def capture(self, *calls: Mapping[str, str], kill_at: Kill = None) -> bool:
        """Calls with user, conversation, task, picture: "" for none, "own" for one that no other call has."""
        known = self.model.calls
        for call in calls:
            number = len(known)
            name = f"{call['user']}'s {number}" if call["picture"] == "own" else call["picture"]
            text = f"Question secret-{number:05d}; of {call['user']}"
            known[number] = {**call, "number": number, "text": text, "picture": name}
        return self.do("capture", kill_at, calls=list(known.values())[-len(calls) :])

    def take_in(self, ids: Sequence[str], kill_at: Kill = None) -> bool:
        """Import examples that were captured before, whatever has become of them."""
        calls = [self.model.calls[self.model.facts[example_id]["number"]] for example_id in ids]
        pictures = [call["picture"] for call in calls if call["picture"]]
        return self.do("take_in", kill_at, ids=list(ids), pictures=pictures)

    def settle(self) -> None:
        """Whatever was killed, a run of each verb mends it, and the index made anew is the one that was there."""
        self.do("drain")
        self.do("erase")
        self.do("archive", roll=False)
        if self.model.view["zips"]:
            assert self.site.do("verify").value == []
        indexed = self._indexed()
        unindexed = set(self.model.unindexed)
        self.do("rebuild")
        assert self._indexed() - unindexed == indexed - unindexed

    def _indexed(self) -> set[str]:
        return {example_id for example_id, _ in self.model.view["index"]}
