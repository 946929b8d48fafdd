"""What evaluations ask, so that no data set teaches it: told by every app that evaluates, asked by whoever exports.

An example asks what is held out when its prompt has the same words; when nearly all word 5-grams of the two are the
same; and when it repeats nearly all of a longer held-out prompt, as a later turn of a conversation does. Word 5-grams
that most held-out prompts of a task share are their template, and count for nothing: else one held-out page would keep
every page out that is asked about in the same words.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final, TypeAlias

from training_archive.app_lineage import load_lineage
from training_archive.exports.words import ngrams, words

_SHINGLE: Final = 5  # words
_SIMILARITY: Final = 0.85  # of the word 5-grams, as for near duplicates
# Shorter prompts occur in others by chance; of longer ones, repeating them is contamination (Brown et al. 2020).
_LONG: Final = 13  # words
_TEMPLATE_PROMPTS: Final = 5  # of a task; from fewer, nobody can tell what their template is


@dataclass(frozen=True, slots=True)
class HeldOutPrompt:
    """A prompt that an evaluation asks."""

    task: str
    text: str  # as the column prompt_text has it


Grams: TypeAlias = "array[int]"  # hashes; Python 3.11 does not let an array be subscripted
Source = Callable[[], Iterable[HeldOutPrompt]]

_sources: list[Source] = []


def register_held_out(source: Source) -> Source:
    """Register a function that says what is held out. Usable as a decorator.

    When it raises, no data set is written: what might be among them must not be in one.
    """
    _sources.append(source)
    return source


def held_out_prompts() -> Iterator[HeldOutPrompt]:
    """All that any installed app holds out."""
    load_lineage()
    for source in _sources:
        yield from source()


def held_out_index() -> "HeldOutIndex":
    """For telling of any prompt whether it asks what is held out."""
    return HeldOutIndex(held_out_prompts())


class HeldOutIndex:
    """Finds held-out prompts that a text repeats. Exact, in time that hardly grows with their number.

    Whoever repeats a share of a set of n-grams has at least one of the few that are left when that share is taken away
    (prefix filtering, Chaudhuri et al. 2006). Only those few are looked up, the rarest of each prompt.
    """

    def __init__(self, prompts: Iterable[HeldOutPrompt]) -> None:
        self._same: dict[int, int] = {}  # hash of all words -> number
        self._texts: list[tuple[str, int]] = []  # task and number of words, by number
        grams: list[Grams] = []
        for prompt in prompts:
            self._add(prompt, grams)
        self._templates = _templates([task for task, _ in self._texts], grams)
        self._own = [self._without_template(number, each) for number, each in enumerate(grams)]
        self._numbers = _postings(self._own)

    def __len__(self) -> int:
        """How many different prompts there are."""
        return len(self._texts)

    def holds(self, text: str) -> bool:
        """Whether the text asks what is held out."""
        return next(self._found(text), None) is not None

    def numbers_of(self, text: str) -> set[int]:
        """Which held-out prompts it asks, by their place among the different ones."""
        return set(self._found(text))

    def _add(self, prompt: HeldOutPrompt, grams: list["Grams"]) -> None:
        known = words(prompt.text)
        key = _key(prompt.text, known)
        if key is None or key in self._same:
            return
        self._same[key] = len(grams)
        self._texts.append((prompt.task, len(known)))
        grams.append(array("q", _shingles(known)))

    def _without_template(self, number: int, grams: "Grams") -> "Grams":
        template = self._templates.get(self._texts[number][0], ())
        return array("q", (each for each in grams if each not in template)) if template else grams

    def _found(self, text: str) -> Iterator[int]:
        if not self._texts:
            return
        known = words(text)
        key = _key(text, known)
        same = None if key is None else self._same.get(key)
        if same is not None:
            yield same
        shingles = _shingles(known)
        for number in {number for each in shingles for number in self._numbers.get(each, ())} - {same}:
            if self._is_near(number, shingles):
                yield number

    def _is_near(self, number: int, shingles: set[int]) -> bool:
        own = self._own[number]
        shared = len(shingles.intersection(own))
        task, length = self._texts[number]
        if length >= _LONG:
            return shared >= _SIMILARITY * len(own)
        others = shingles.difference(self._templates.get(task, ()))
        return shared >= _SIMILARITY * (len(own) + len(others) - shared)


def _key(text: str, known: Sequence[str]) -> int | None:
    """The same for texts of the same words; None for a blank one, which asks nothing."""
    return hash(tuple(known) or text.strip()) if text.strip() else None


def _shingles(known: list[str]) -> set[int]:
    """Python's own hash differs from process to process; these never leave this one."""
    return set(map(hash, ngrams(known, _SHINGLE)))


def _templates(tasks: Sequence[str], grams: Sequence["Grams"]) -> dict[str, Collection[int]]:
    """By task: the n-grams that more than half of its prompts have."""
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for task, each in zip(tasks, grams, strict=True):
        counts[task].update(each)
    prompts = Counter(tasks)
    return {
        task: {gram for gram, count in found.items() if count > prompts[task] / 2}
        for task, found in counts.items()
        if prompts[task] >= _TEMPLATE_PROMPTS
    }


def _postings(own: Sequence["Grams"]) -> dict[int, list[int]]:
    """By n-gram: the numbers of the prompts that are looked up by it."""
    common = Counter(gram for each in own for gram in each)
    found: dict[int, list[int]] = defaultdict(list)
    for number, each in enumerate(own):
        few = len(each) - ceil(_SIMILARITY * len(each)) + 1 if each else 0
        for gram in sorted(each, key=common.__getitem__)[:few]:
            found[gram].append(number)
    return dict(found)
