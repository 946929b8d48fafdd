"""Names of people, by a function of the project's own: text -> (start, end, kind) of each. Nothing is built in."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from django.utils.module_loading import import_string

from continuous_training.redaction.spans import Found

NamedEntities = Callable[[str], Iterable[tuple[int, int, str]]]


def name_finder(dotted_path: str) -> Callable[[str], Iterator[Found]]:
    """The function at `dotted_path`, as a finder of `Found`."""
    return partial(_find_names, import_string(dotted_path))


def _find_names(entities: NamedEntities, text: str) -> Iterator[Found]:
    for start, end, kind in entities(text):
        if 0 <= start < end <= len(text):
            yield Found(start, end, kind.upper(), " ".join(text[start:end].casefold().split()))
