"""What was trained on examples that are to be forgotten: models that learnt from them, and runs that are about to.

A run keeps the hash of each line that it was given, an export notes of each example the hash of its pair; so it is told
exactly. Of lines that no export wrote, which came in files that somebody named, nobody knows whose they are: a model
that was given such lines is named, too, without a number.

A model cannot unlearn; it is named, and people decide. A run that is not over is cancelled, and its data are removed.
That is done when the exported pairs are erased, and what is asked for meanwhile waits: it finds them gone, or is found.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from capture_app.put_aside import Wanted
from continuous_training.exceptions import TrainingRefused
from continuous_training.exporting.locking import exports_locked
from continuous_training.models import TrainingRun
from continuous_training.training.devices import ACTIVE
from continuous_training.training.folders import has_pair, read_pairs, remove_data
from continuous_training.training.pairs import digests_of, forgotten_digests
from continuous_training.training.requesting import PATIENCE, cancel_run
from training_archive.made_from import MadeFrom

MODEL: Final = "model"
RUN: Final = "training run"
FORGETTING: Final = "forget"


def trained_on(ids: Sequence[str]) -> Iterator[MadeFrom]:
    """The models that learnt from the examples, and the runs that are about to; of some it cannot be told how many."""
    digests = digests_of(ids)
    for run in TrainingRun.objects.filter(state__in=(*ACTIVE, TrainingRun.State.SUCCEEDED)).select_related("model"):
        model = getattr(run, "model", None)
        if model is not None and model.removed_at:
            continue
        count = _count(run, digests)
        if count != 0:
            name = f"{model.provider}/{model.model} (run {run.pk})" if model else run.pk
            yield MadeFrom(kind=MODEL if model else RUN, name=name, examples=count)


def stop_training_on(wanted: Wanted) -> int:
    """Cancel the runs that are to learn from examples that were erased, these or others, and remove their data."""
    with exports_locked(wait_seconds=PATIENCE):
        runs = list(TrainingRun.objects.filter(state__in=ACTIVE, cancel_requested_at=None))
        digests = forgotten_digests() if runs else set()
        return sum(_stop(run.pk) for run in runs if digests and _count(run, digests))


def _stop(run_id: str) -> int:
    try:
        cancel_run(run_id, by=FORGETTING)
    except TrainingRefused:  # it is over by now, and named as what was made from them
        return 0
    remove_data(run_id)
    return 1


def _count(run: TrainingRun, digests: Collection[bytes]) -> int | None:
    """How many of the pairs the run was given; None when it cannot be told."""
    pairs = read_pairs(run.pk)
    if pairs is None:
        return None
    found = sum(has_pair(pairs, digest) for digest in digests)
    return found or (None if run.data.get("unknown_pairs") else 0)
