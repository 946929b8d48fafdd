"""Images and files back into the messages that refer to them, as the provider was sent them."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from capture_app.blobs import REFERENCE, blob_path
from training_archive.exports.formats.base import Refused
from training_archive.exports.formats.messages import Message

MOST_BYTES: Final = 64 * 2**20  # of images and files in one example; hostile messages may name one ever again

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_NOT_KEPT = "an image or file is not kept"


class BlobContent:
    """Gives the content of the blobs that one example knows of, `facts`: media_type and bytes, by hash."""

    def __init__(self, data_dir: Path, facts: Mapping[str, Any]) -> None:
        self._data_dir = data_dir
        self._facts = facts
        self._bytes = 0

    def put_into(self, messages: Sequence[Message]) -> list[Message]:
        """The messages, with content for references. Raises Refused when a blob is missing, damaged, or too much."""
        return [self._message(message) for message in messages]

    def _message(self, message: Message) -> Message:
        content = message["content"]
        if isinstance(content, str):
            return {**message, "content": self._text(content)} if content.startswith(REFERENCE) else message
        return {**message, "content": [self._part(part) for part in content]} if content else message

    def _part(self, part: Message) -> Message:
        kind = part["type"]
        if kind == "text":
            return {**part, "text": self._text(part["text"])}
        if kind == "image_url":
            return {**part, kind: {**part[kind], "url": self._data_url(part[kind]["url"])}}
        if kind == "input_audio":
            return {**part, kind: {**part[kind], "data": self._base64(part[kind]["data"])}}
        if kind == "file" and "file_data" in part[kind]:
            return {**part, kind: {**part[kind], "file_data": self._data_url(part[kind]["file_data"])}}
        return part

    def _text(self, text: str) -> str:
        """A text may have been a data URL itself; but what only looks like a reference is what somebody wrote."""
        return self._data_url(text) if refers_to_blob(text, self._facts) else text

    def _data_url(self, url: str) -> str:
        if not url.startswith(REFERENCE):
            return url
        encoded = self._base64(url)
        media_type = self._facts[url.removeprefix(REFERENCE)].get("media_type")
        if not isinstance(media_type, str) or not _MEDIA_TYPE.fullmatch(media_type):
            raise Refused("an image's or file's media type is malformed")
        return f"data:{media_type};base64,{encoded}"

    def _base64(self, text: str) -> str:
        if not text.startswith(REFERENCE):
            return text
        # Only what this call brought: a reference that somebody wrote must not fetch another's image.
        if not refers_to_blob(text, self._facts):
            raise Refused(_NOT_KEPT)
        return base64.b64encode(self._read(text.removeprefix(REFERENCE))).decode()

    def _read(self, sha256: str) -> bytes:
        try:
            path = blob_path(self._data_dir, sha256)
            self._bytes += path.stat().st_size
            if self._bytes > MOST_BYTES:
                raise Refused("its images and files are too large together")
            content = path.read_bytes()
        except (OSError, ValueError) as error:
            raise Refused(_NOT_KEPT) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Refused("an image or file is damaged")
        return content


def refers_to_blob(text: str, facts: Mapping[str, Any]) -> bool:
    """Whether the whole text is a reference to one of the example's own blobs."""
    return text.startswith(REFERENCE) and isinstance(facts.get(text.removeprefix(REFERENCE)), dict)
