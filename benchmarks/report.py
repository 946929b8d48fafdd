"""What a benchmark found: a table, the bars it had to meet, a plot; written as Markdown, JSON and SVG."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

# Given a stage, what is done of it, and how much there is.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that must hold, with the figure that says whether it does."""

    what: str
    limit: str
    figure: str
    met: bool

    @property
    def verdict(self) -> str:
        return "met" if self.met else "NOT MET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    name: str  # of the benchmark and of its files
    title: str
    method: str  # what is measured, and how; Markdown
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    bars: Sequence[Bar]  # none for what is measured to be known, and promised to nobody
    figure: Figure
    raw: dict[str, Any]  # every figure behind the table
    notes: Sequence[str] = field(default_factory=tuple)

    def write(self, folder: Path, facts: dict[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.md").write_text(self._markdown(facts))
        content = {"machine": facts, "bars": self.bars, **self.raw}
        options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
        (folder / f"{self.name}.json").write_bytes(orjson.dumps(content, option=options))
        self.figure.savefig(folder / f"{self.name}.svg", metadata={"Date": None})

    def show(self, console: Console) -> None:
        table = Table(*self.columns, title=self.title, title_justify="left")
        for column in table.columns[1:]:
            column.justify = "right"
        for row in self.rows:
            table.add_row(*row)
        console.print(table)
        for bar in self.bars:
            colour = "green" if bar.met else "red"
            console.print(f"[{colour}]{bar.verdict:>8}[/]  {bar.what}: {bar.figure} (bar: {bar.limit})")
        console.print()

    def _markdown(self, facts: dict[str, str]) -> str:
        parts = [
            f"# {self.title}",
            self.method,
            "Measured on: " + ", ".join(f"{name} {value}" for name, value in facts.items()) + ".",
            _markdown_table(self.columns, self.rows),
            *self.notes,
            *self._bars(),
            f"![{self.title}]({self.name}.svg)",
        ]
        return "\n\n".join(parts) + "\n"

    def _bars(self) -> list[str]:
        if not self.bars:
            return []
        lines = (f"- **{bar.verdict}**: {bar.what}: {bar.figure}; bar: {bar.limit}." for bar in self.bars)
        return ["## Bars", "\n".join(lines)]


def _markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["--:"] * (len(columns) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))
