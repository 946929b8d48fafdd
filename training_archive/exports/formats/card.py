"""README.md of an export: YAML that tells Hugging Face's `datasets` and Hub what there is, and Markdown for people.

`load_dataset("FOLDER")` reads it. It names the files, so that nothing else in the folder is taken for data, and the
columns: otherwise they are guessed from the first 10 MB, and a tool call that comes later does not fit the guess.

Names of tasks come from those who made the calls: none of them can be read as YAML, Markdown or HTML.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from capture_app.files import write_atomically

NAME: Final = "README.md"

_MOST_TASKS: Final = 100
_LONGEST_NAME: Final = 80  # characters
# The Hub's own words for a size, by the first count of rows that is too many for each.
_SIZES: Final = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
)


def write_card(folder: Path, summary: Mapping[str, Any], *, about: str, features: str = "") -> list[Path]:
    """Write the card of the export that `summary` tells of (see Format.finish); its path.

    `about` is Markdown; `features` is YAML, the columns as `datasets` writes them.
    """
    path = folder / NAME
    write_atomically(path, card(summary, about=about, features=features).encode())
    path.chmod(0o600)
    return [path]


def card(summary: Mapping[str, Any], *, about: str, features: str = "") -> str:
    splits = {name: split for name, split in summary.get("splits", {}).items() if split.get("rows")}
    text = f"\n# Training examples\n\nAnswered calls to language models, written by Gleaner. {about}\n"
    return "\n".join(["---", *_front_matter(splits, features), "---", text, *_tables(splits)]) + "\n"


def _front_matter(splits: Mapping[str, Any], features: str) -> Iterator[str]:
    rows = sum(split["rows"] for split in splits.values())
    yield "size_categories:"
    yield f"- {next((name for most, name in _SIZES if rows < most), '100M<n<1B')}"
    yield "task_categories:"
    yield "- text-generation"
    if splits:
        yield from _configs(splits)
        yield from _dataset_info(splits, features)


def _configs(splits: Mapping[str, Any]) -> Iterator[str]:
    yield "configs:"
    yield "- config_name: default"
    yield "  data_files:"
    for name, split in splits.items():
        yield f"  - split: {_quoted(name)}"
        yield "    path:"
        for shard in split.get("shards", ()):
            yield f"    - {_quoted(shard['name'])}"


def _dataset_info(splits: Mapping[str, Any], features: str) -> Iterator[str]:
    yield "dataset_info:"
    if features:
        yield "  features:"
        yield from (f"  {line}" for line in features.strip().splitlines())
    yield "  splits:"
    for name, split in splits.items():
        yield f"  - name: {_quoted(name)}"
        yield f"    num_bytes: {_bytes(split)}"
        yield f"    num_examples: {int(split['rows'])}"
    yield f"  download_size: {sum(map(_bytes, splits.values()))}"


def _quoted(text: str) -> str:
    return json.dumps(text)  # a string of JSON is one of YAML


def _bytes(split: Mapping[str, Any]) -> int:
    return sum(int(shard["bytes"]) for shard in split.get("shards", ()))


def _tables(splits: Mapping[str, Any]) -> Iterator[str]:
    yield from _table("split", {name: int(split["rows"]) for name, split in splits.items()})
    tasks: Counter[str] = Counter()
    for split in splits.values():
        tasks.update(split.get("tasks", {}))
    if tasks:
        yield ""
        common = dict(sorted(tasks.items(), key=lambda item: (-item[1], item[0]))[:_MOST_TASKS])
        yield from _table("task", common)
    if len(tasks) > _MOST_TASKS:
        yield f"| {len(tasks) - _MOST_TASKS} more | {tasks.total() - sum(common.values())} |"


def _table(what: str, rows: Mapping[str, int]) -> Iterator[str]:
    yield f"| {what} | rows |"
    yield "|---|---:|"
    for name, count in rows.items():
        yield f"| {plain(name)} | {count} |"


def plain(text: str) -> str:
    """`text` as Markdown that shows nothing but it: one line, each sign an entity, which is never markup."""
    cut = text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "\u2026"
    visible = "".join("\ufffd" if _is_unseen(letter) else letter for letter in cut)
    return re.sub(r"[!-/:-@\[-`{-~]", lambda sign: f"&#{ord(sign[0])};", visible)


def _is_unseen(letter: str) -> bool:
    """Whether it breaks lines, turns the direction of text, or has no form at all."""
    return letter != " " and unicodedata.category(letter)[0] in "CZ"
