"""What must be on the disk after a verb, told from what was there before it and from nothing else."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.unit.training_archive.model.verbs import clock, picture, sha256_of

View = Mapping[str, Any]  # what look() returns
DRAINING = ("drain", "archive", "erase")
RECORDING = (
    "archive",
    "merge",
    "prune",
    "rebuild",
)  # bring the records of chunks up to date, whatever was killed before


def places(view: View) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Where examples are kept: the live database, chunks, and sealed files that are no chunk yet; and their rows."""
    if view["live"]:
        yield "live", view["live"]["rows"]
    chunks = {name: chunk for found in view["zips"].values() for name, chunk in found.items()}
    for name, chunk in chunks.items():
        yield name, chunk["rows"]
    for name, sealed in view["sealed"].items():
        if name not in chunks:
            yield f"sealed {name}", sealed["rows"]


def kept(view: View) -> set[str]:
    return {row["id"] for _, rows in places(view) for row in rows}


def visible(view: View) -> set[str]:
    """The ids that are stored, or will be by the next drain."""
    return kept(view) | ({line["id"] for line in view["inbox"]} - set(view["forgotten"]))


@dataclass
class Model:
    """What is known of an installation, and what each verb may do to it."""

    view: View
    calls: dict[int, dict[str, Any]] = field(default_factory=dict)  # all that were made, by number
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)  # of each example, as they came into the inbox
    lines: dict[str, str] = field(default_factory=dict)  # its record
    pending: set[str] = field(default_factory=set)  # written down to be forgotten, by a run that was killed
    # What such a run was asked for, by the key of its request. It is searched for anew by the run that finishes it.
    requests: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)  # forgotten, and in the inbox once more
    # A killed prune has taken them out of the index: until it is run again, they may be imported a second time.
    unindexed: set[str] = field(default_factory=set)
    orphans: set[str] = field(default_factory=set)  # blobs that came without an example
    removed: bool = False  # whether the verb had a request to forget
    index_is_behind: bool = False
    records_are_behind: bool = False

    def check(self, verb: str, arguments: Mapping[str, Any], *, killed: bool, after: View) -> None:
        """Compare what is there after the verb with what must be, and remember it."""
        target = self._target(verb, arguments)
        self.removed = bool(arguments or self.view["pending"])
        came = self._expected(verb, arguments, after)
        self._check_ids(verb, target, came, killed=killed, after=after)
        self._note(verb, arguments, target, killed=killed, after=after)
        assert set(self.view["forgotten"]) <= set(after["forgotten"]), "a forgotten id is not remembered"
        self._check_rows(after)
        self._check_secrecy(after)
        self._check_blobs(verb, killed=killed, after=after)
        self.view = after
        if not killed:
            self._check_done(verb)

    # --- What a verb is about ------------------------------------------------------------------------------------

    def _target(self, verb: str, arguments: Mapping[str, Any]) -> set[str]:
        """The examples that the verb is to remove."""
        if verb == "erase":
            asked = (arguments, *self.requests.values())
            return {key for key in visible(self.view) if any(self._is_meant(key, each) for each in asked)}
        if verb == "prune":
            old = self._old(arguments["hours"])
            staying = {row["id"] for name, rows in places(self.view) if name not in old for row in rows}
            # What was imported again, and only waits for its drain, is stored anew.
            staying |= {line["id"] for line in self.view["inbox"]}
            return {row["id"] for rows in old.values() for row in rows} - staying
        return set()

    def _old(self, hours: int) -> dict[str, list[dict[str, Any]]]:
        """The chunks that are too old, but for those that an archive run has still to finish; and their rows."""
        before = clock(hours).strftime("%Y-%m-%d %H:%M:%S")
        chunks = {name: chunk["rows"] for found in self.view["zips"].values() for name, chunk in found.items()}
        return {
            name: rows
            for name, rows in chunks.items()
            if name not in self.view["sealed"] and max(row["created_at"] for row in rows) < before
        }

    def _is_meant(self, example_id: str, arguments: Mapping[str, Any]) -> bool:
        facts = self.facts[example_id]
        return example_id in arguments.get("ids", ()) or any(
            facts[key] == arguments.get(key, "") for key in ("user", "conversation")
        )

    def _expected(self, verb: str, arguments: Mapping[str, Any], after: View) -> set[str]:
        """The examples that the verb is to add; what comes for the first time is remembered."""
        if verb == "capture":
            numbers = {call["number"] for call in arguments["calls"]}
            new = [line for line in after["inbox"] if line["number"] in numbers]
            for line in new:
                self.lines[line["id"]] = line["line"]
                self.facts[line["id"]] = {key: value for key, value in line.items() if key != "line"}
                assert line["said"][1].startswith(self.calls[line["number"]]["text"])
            return {line["id"] for line in new}
        if verb == "take_in":
            return set(arguments["ids"]) - set(self.view["forgotten"])
        return set()

    # --- Checks that hold whatever was killed --------------------------------------------------------------------

    def _check_ids(self, verb: str, target: set[str], came: set[str], *, killed: bool, after: View) -> None:
        was, now = visible(self.view), visible(after)
        assert now - was <= came, f"{verb}: examples came from nowhere: {self._named(now - was - came)}"
        lost = was - now - target - self.pending
        assert not lost, f"{verb}: lost: {self._named(lost)}"
        if not killed:
            missing = came - now
            assert not missing, f"{verb}: not taken: {self._named(missing)}"
            gone = target | (self.pending if verb == "erase" else set())
            assert not gone & now, f"{verb}: still there: {self._named(gone & now)}"
        times = Counter(row["id"] for _, rows in places(after) for row in rows)
        twice = {
            (self.facts[example_id]["number"], name)
            for name, rows in places(after)
            for example_id in (row["id"] for row in rows)
            if times[example_id] > 1 and example_id not in self.unindexed
        }
        assert not twice, f"{verb}: twice: {sorted(twice)}"

    def _named(self, ids: Collection[str]) -> list[int]:
        return sorted(self.facts[example_id]["number"] for example_id in ids)

    def _note(self, verb: str, arguments: Mapping[str, Any], target: set[str], *, killed: bool, after: View) -> None:
        forgotten, was = set(after["forgotten"]), set(self.view["forgotten"])
        asked = set(target)
        if verb == "erase":
            asked = asked.union(*(each.get("ids", ()) for each in (arguments, *self.requests.values())))
            self.requests |= dict.fromkeys(set(after["pending"]) - set(self.view["pending"]), arguments)
            self.requests = {key: self.requests[key] for key in after["pending"]}
        assert forgotten - was <= asked, "more was forgotten than was asked for"
        assert killed or verb != "erase" or asked <= forgotten, "not all that was asked for was forgotten"
        if after["pending"]:
            self.pending |= forgotten - was
        else:
            self.pending.clear()
        self.again = self.again | (set(arguments["ids"]) & forgotten) if verb == "take_in" else self.again
        if not killed and verb in DRAINING:
            self.again.clear()
        if verb == "prune":
            old = {row["id"] for rows in self._old(arguments["hours"]).values() for row in rows}
            self.unindexed = self.unindexed | old if killed else self.unindexed - old
        self.unindexed &= visible(after)
        self._note_orphans(verb, arguments, killed=killed)
        if verb not in ("capture", "take_in"):
            self.index_is_behind |= killed
            self.records_are_behind |= killed and verb != "drain"

    def _note_orphans(self, verb: str, arguments: Mapping[str, Any], *, killed: bool) -> None:
        names: list[str] = []
        if verb == "capture" and killed:
            names = [call["picture"] for call in arguments["calls"] if call["picture"]]
        elif verb == "take_in":
            names = arguments["pictures"]
        self.orphans |= {sha256_of(picture(name)) for name in names}

    def _check_rows(self, after: View) -> None:
        found = [row for _, rows in places(after) for row in rows]
        found += [{key: value for key, value in line.items() if key != "line"} for line in after["inbox"]]
        for row in found:
            assert row == self.facts[row["id"]], "an example changed"
        for chunks in after["zips"].values():
            for name, chunk in chunks.items():
                assert chunk["sidecar"]["rows"] == len(chunk["rows"]), name

    def _check_secrecy(self, after: View) -> None:
        """What is forgotten can be read nowhere below the data directory."""
        secret = {
            self.facts[example_id]["number"]
            for example_id in set(after["forgotten"]) - self.pending - self.again
            if example_id in self.facts
        }
        for name, numbers in after["markers"].items():
            assert not secret & set(numbers), f"{name} still has the text of {sorted(secret & set(numbers))}"

    def _check_blobs(self, verb: str, *, killed: bool, after: View) -> None:
        there = set(after["blobs"])
        used = {blob for example_id in visible(after) for blob in self.facts[example_id]["blobs"]}
        assert used <= there, f"{verb}: examples lost their blobs"
        if not killed and (verb == "prune" or (verb == "erase" and self.removed)):
            assert not after["marked"], "blobs are still marked"
            left = there - used - self.orphans
            owners = [row["number"] for row in self.facts.values() if left & set(row["blobs"])]
            assert not left, f"{verb}: {len(left)} blobs that nothing refers to are still there, of {sorted(owners)}"

    # --- Checks after a verb that came to its end ----------------------------------------------------------------

    def _check_done(self, verb: str) -> None:
        view = self.view
        if verb in DRAINING:
            assert not view["inbox"], "the inbox is not empty"
        if verb == "archive":
            assert not view["sealed"]
            assert not view["live"] or not view["live"]["rows"]
        if verb == "rebuild":
            self.unindexed.clear()
        if verb in (*DRAINING, "rebuild"):
            self.index_is_behind = False
        if verb in RECORDING or (verb == "erase" and self.removed):
            self.records_are_behind = False
        if not self.index_is_behind:
            self._check_index()
        if not self.records_are_behind:
            self._check_records()

    def _check_index(self) -> None:
        indexed, there = {row[0] for row in self.view["index"]}, kept(self.view)
        lacking = there - indexed - self.pending - self.unindexed
        assert not lacking, f"not indexed: {self._named(lacking)}"
        stale = indexed - there - self.pending
        assert not stale, f"indexed, and not there: {self._named(stale)}"

    def _check_records(self) -> None:
        view = self.view
        found = {
            name: [zip_name, chunk["sidecar"]["rows"], chunk["sidecar"]["sha256"]]
            for zip_name, chunks in view["zips"].items()
            for name, chunk in chunks.items()
        }
        assert view["chunks"] == found, "the records of chunks are not what the ZIPs hold"
        where = {row["id"]: name for name, rows in places(view) for row in rows}
        own = {sealed["generation"]: f"sealed {name}" for name, sealed in view["sealed"].items()}
        own |= {view["live"]["generation"]: "live"} if view["live"] else {}
        for example_id, generation in view["index"]:
            if example_id in where and example_id not in self.unindexed and not self.index_is_behind:
                led = {**own, **view["generations"]}.get(generation)
                assert led == where[example_id], f"the index leads {self._named([example_id])} to {led}"
