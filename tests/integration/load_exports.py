"""What the tools that read exports see in them. Run as a program of its own, which prints JSON:

    python -m tests.integration.load_exports FOLDER

FOLDER holds one export per format, named as the format. The libraries are large, and some start threads that would be
in the way of tests which fork: that is why they are loaded here.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

# As Any: the type checker need not read half a million lines of them.
datasets: Any = importlib.import_module("datasets")
pandas: Any = importlib.import_module("pandas")
tokenizers: Any = importlib.import_module("tokenizers")
transformers: Any = importlib.import_module("transformers")
trl: Any = importlib.import_module("trl")
data_utils: Any = importlib.import_module("trl.data_utils")

_TEMPLATE = Path(trl.__file__).parent / "chat_templates" / "qwen2_5.jinja"


def main(folder: Path) -> None:
    exports = {path.name: path for path in sorted(folder.iterdir())}
    seen = {name: _loaded(path) for name, path in exports.items()}
    seen["chat templates"] = {name: _rendered(path) for name, path in exports.items() if name.startswith("trl-")}
    seen["pandas"] = {
        "csv": _frame(pandas.read_csv(exports["csv"] / "train.csv", keep_default_na=False)),
        "parquet": _frame(pandas.read_parquet(exports["parquet"] / "train.parquet")),
    }
    print(json.dumps(_shortened(seen), default=str))


def _shortened(value: Any) -> Any:
    """With the length in place of a huge text."""
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    return f"{len(value)} characters" if isinstance(value, str) and len(value) > 10_000 else value


def _loaded(path: Path) -> dict[str, Any]:
    loaded = datasets.load_dataset(str(path), split="train")
    return {"columns": {name: str(kind) for name, kind in loaded.features.items()}, "rows": list(loaded)}


def _rendered(path: Path) -> list[dict[str, Any]]:
    """What TRL's own functions make of each row: whether it is conversational, and its text for a model."""
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer(tokenizers.models.BPE()), chat_template=_TEMPLATE.read_text()
    )
    rows = []
    for row in datasets.load_dataset(str(path), split="train"):
        tools = json.loads(row.pop("tools") or "null")  # as SFTTrainer and DPOTrainer read them
        conversational = data_utils.is_conversational(row)
        rows.append({"conversational": conversational, **data_utils.apply_chat_template(row, tokenizer, tools)})
    return rows


def _frame(frame: Any) -> dict[str, Any]:
    types = {name: str(kind) for name, kind in frame.dtypes.items()}
    return {"types": types, "rows": frame.to_dict(orient="records")}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
