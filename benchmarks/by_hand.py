"""Exports as one would write them with pandas and `datasets`: read every chunk, convert row by row, write one file.

Nothing is checked, left out, hashed or remembered, and pandas holds all of it in memory.
"""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb
import pandas as pd
from datasets import Dataset

from capture_app.duckdb_files import quoted

Row = dict[str, Any]

_KEPT: Final = (
    *("id", "task", "provider", "model_name", "created_at", "input_tokens", "output_tokens", "prompt_hash"),
    *("slot_specs", "metadata"),
)


def export(format_name: str, archive: Path, folder: Path) -> int:
    """Write all examples of the ZIP into a file in `folder`; how many there were."""
    frame = _read(archive)
    if format_name == "csv":
        frame.to_csv(folder / "train.csv", index=False)
    elif format_name == "parquet":
        frame.to_parquet(folder / "train.parquet", compression="zstd", index=False)
    else:
        _convert(format_name, frame, folder)
    return len(frame)


def _read(archive: Path) -> pd.DataFrame:
    frames = []
    with TemporaryDirectory(dir=archive.parent) as folder, zipfile.ZipFile(archive) as members:
        for name in members.namelist():
            if name.endswith(".duckdb"):
                with duckdb.connect() as connection:
                    connection.execute(f"ATTACH {quoted(members.extract(name, folder))} AS chunk (READ_ONLY)")
                    frames.append(connection.execute("FROM chunk.examples").df())
    return pd.concat(frames, ignore_index=True)


def _convert(format_name: str, frame: pd.DataFrame, folder: Path) -> None:
    rows = Dataset.from_pandas(frame, preserve_index=False)
    gone = [name for name in rows.column_names if format_name != "hf-dataset" or name not in _KEPT]
    rows = rows.map(CONVERSIONS[format_name], remove_columns=gone)
    if format_name == "hf-dataset":
        rows.to_parquet(folder / "train-00000-of-00001.parquet")
    else:
        rows.to_json(folder / "train.jsonl", lines=True, force_ascii=False)


def _messages(row: Row) -> Row:
    system = [{"role": "system", "content": row["system_prompt"]}] if row["system_prompt"] else []
    user, answer = row["prompt_text"], row["response_strong"]
    return {"messages": [*system, {"role": "user", "content": user}, {"role": "assistant", "content": answer}]}


def _sharegpt(row: Row) -> Row:
    system = [{"from": "system", "value": row["system_prompt"]}] if row["system_prompt"] else []
    user, answer = row["prompt_text"], row["response_strong"]
    return {"conversations": [*system, {"from": "human", "value": user}, {"from": "gpt", "value": answer}]}


def _alpaca(row: Row) -> Row:
    instruction, output, system = row["prompt_text"], row["response_strong"], row["system_prompt"]
    return {"instruction": instruction, "input": "", "output": output, "system": system, "history": []}


CONVERSIONS: Final[Mapping[str, Callable[[Row], Row]]] = {
    **dict.fromkeys(("openai-chat", "trl-messages", "hf-dataset"), _messages),
    "sharegpt": _sharegpt,
    "alpaca": _alpaca,
}
