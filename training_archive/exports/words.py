"""Text as a sequence of words, for finding prompts that say the same.

Case and punctuation do not count. Scripts that put no blanks between words (Chinese, Japanese) count by character.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

_UNSPACED: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
# For ASCII the same in a fraction of the time: letters to lower case, and whatever is no part of a word to a blank.
_ASCII = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}


def words(text: str) -> list[str]:
    if text.isascii():
        return text.translate(_ASCII).split()
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def ngrams(sequence: list[str], n: int) -> Iterable[tuple[str, ...]]:
    """Every `n` words in a row; a text of fewer words is one n-gram, and none when it is empty."""
    if len(sequence) <= n:
        return [tuple(sequence)] if sequence else []
    return zip(*(sequence[start:] for start in range(n)), strict=False)
