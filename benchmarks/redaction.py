"""How fast private stretches are taken out of texts, and which ones: ours beside presidio and five expressions."""

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from benchmarks.corpus import corpus
from benchmarks.measure import Spread
from benchmarks.plots import bar_plot
from benchmarks.redactors import EXPRESSIONS, OURS, PRESIDIO, Finder, finders
from benchmarks.report import Bar, Progress, Report
from continuous_training.redaction.kinds import KINDS, NAME
from tests.unit.continuous_training.redaction.generated import generated
from tests.unit.continuous_training.redaction.labelled import CLAIMED, Labelled, Score, scores, written

_KINDS: Final = tuple(kind for kind in KINDS if kind != NAME)
_BYTES: Final = {OURS: 20 * 2**20, PRESIDIO: 2**19, EXPRESSIONS: 20 * 2**20}  # of text, by how fast they are
_QUICK_SHARE: Final = 16
_ROUNDS: Final = 3
_TEXT_CHARACTERS, _SENTENCES = 2_000, 2
_LEAST_SPEED, _LEAST_RECALL, _LEAST_PRECISION = 5.0, 0.98, 0.95

_METHOD = f"""\
*Speed*: megabytes of UTF-8 per second of processor time, on one core, median of {_ROUNDS} rounds. Texts are prompts of
about {_TEXT_CHARACTERS:,} characters: source code, JSON and prose, cut at random places out of the installed packages'
own files, each with {_SENTENCES} sentences of the labelled corpus. *Recall* and *precision* are over that corpus,
{{texts:,}} texts in a dozen languages: {{by_hand}} written by hand, the others generated. A stretch counts when kind,
start and end agree. Most of the texts were written beside our rules, so our figures flatter us; and some of what the
others miss they never claimed: handles, secrets.

presidio-analyzer runs its own recognizers for the kinds that both claim, with a spaCy pipeline that only splits words
(no model, so no names), and all its defaults. The five expressions are those that many projects begin with: e-mail,
NNN-NNN-NNNN, http(s), @handle, two adjacent capitalised words."""


def run(*, quick: bool, progress: Progress) -> Report:
    by_hand, ways = written(*CLAIMED), finders()
    texts = [*by_hand, *generated(per_kind=30 if quick else 300)]
    speeds, found = {}, {}
    for number, (way, find) in enumerate(ways.items()):
        progress(f"redaction: {way}", number, len(ways))
        prompts = _prompts(texts, _BYTES[way] // (_QUICK_SHARE if quick else 1))
        speeds[way] = Spread.of([_megabytes_per_second(find, prompts) for _ in range(1 if quick else _ROUNDS)])
        found[way] = scores(texts, find)
    return _report(speeds, found, len(texts), len(by_hand))


def _prompts(texts: Sequence[Labelled], size: int) -> list[str]:
    """The same for the same packages; `size` in bytes."""
    chance, source = random.Random(0), corpus()
    prompts, made = [], 0
    while made < size:
        start = chance.randrange(len(source) - _TEXT_CHARACTERS)
        sentences = (text.text for text in chance.choices(texts, k=_SENTENCES))
        prompts.append("\n".join((source[start : start + _TEXT_CHARACTERS], *sentences)))
        made += len(prompts[-1].encode())
    return prompts


def _megabytes_per_second(find: Finder, prompts: Iterable[str]) -> float:
    size = sum(len(prompt.encode()) for prompt in prompts)
    start = time.process_time()
    for prompt in prompts:
        find(prompt)
    return size / 1e6 / (time.process_time() - start)


def _report(speeds: Mapping[str, Spread], found: Mapping[str, Mapping[str, Score]], texts: int, by_hand: int) -> Report:
    ours = found[OURS]
    return Report(
        name="redaction",
        title="Redaction: speed, recall and precision",
        method=_METHOD.format(texts=texts, by_hand=by_hand),
        columns=("", *(f"{way}, {what}" for way in speeds for what in ("recall", "precision"))),
        rows=[
            *((kind, *(cell for way in speeds for cell in _cells(found[way].get(kind)))) for kind in _KINDS),
            ("MB/s", *(cell for speed in speeds.values() for cell in (speed.text(2), ""))),
        ],
        bars=[
            Bar(
                "text that is redacted on one core",
                f"at least {_LEAST_SPEED:g} MB/s",
                f"{speeds[OURS].median:.1f} MB/s",
                speeds[OURS].median >= _LEAST_SPEED,
            ),
            Bar(
                "recall of the worst rule",
                f"at least {_LEAST_RECALL}",
                f"{min(ours[kind].recall for kind in _KINDS):.3f}",
                all(ours[kind].recall >= _LEAST_RECALL for kind in _KINDS),
            ),
            Bar(
                "precision of the worst rule",
                f"at least {_LEAST_PRECISION}",
                f"{min(ours[kind].precision for kind in _KINDS):.3f}",
                all(ours[kind].precision >= _LEAST_PRECISION for kind in _KINDS),
            ),
        ],
        figure=bar_plot(
            "Text redacted on one core",
            "MB/s",
            {way: speed.median for way, speed in speeds.items()},
            ours=(OURS,),
            limit=("bar", _LEAST_SPEED),
        ),
        raw={
            "megabytes_per_second": dict(speeds),
            "scores": {way: dict(by_kind) for way, by_kind in found.items()},
        },
    )


def _cells(score: Score | None) -> tuple[str, str]:
    """Recall and precision; none of a kind that was never found."""
    if score is None or not score.found + score.wrong:
        return "0", "none found"
    return f"{score.recall:.3f}", f"{score.precision:.3f}"
