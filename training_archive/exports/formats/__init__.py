"""The formats of `export_dataset`, by name."""

from pathlib import Path
from typing import Final

from training_archive.exports.formats.alpaca import Alpaca
from training_archive.exports.formats.base import Format
from training_archive.exports.formats.csv_table import CSV
from training_archive.exports.formats.extraction import Extraction
from training_archive.exports.formats.hf_dataset import HFDataset
from training_archive.exports.formats.openai import OpenAIChat, OpenAIPreference
from training_archive.exports.formats.parquet import Parquet
from training_archive.exports.formats.sharegpt import ShareGPT
from training_archive.exports.formats.trl import TRLMessages, TRLPreference, TRLPromptCompletion

FORMATS: Final[dict[str, type[Format]]] = {
    kind.name: kind
    for kind in (
        OpenAIChat,
        OpenAIPreference,
        TRLMessages,
        TRLPromptCompletion,
        TRLPreference,
        ShareGPT,
        Alpaca,
        CSV,
        Parquet,
        HFDataset,
        Extraction,
    )
}


def get_format(name: str, *, data_dir: Path) -> Format:
    """The format of this name. `data_dir` is where blobs/ is. Raises KeyError for a name that is not in FORMATS."""
    return FORMATS[name](data_dir)
