"""Images and files out of messages, given to who may read the text, as what they are and nothing more.

Only what begins as a raster image does is shown in the page. All else, SVG and HTML above all, is a download under a
name of ours. The address carries a key that the example's page gave out, for this user and this example: whoever sees
an image has opened its example, which is noted.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from django.core.signing import Signer
from django.http import FileResponse, Http404
from django.template.defaultfilters import filesizeformat
from django.utils.crypto import constant_time_compare

from capture_app.blobs import blob_path
from capture_app.conf import capture_settings
from capture_app.shown import short
from console.example_page.conversation import Attach, Attachment

_SALT: Final = "console.example_page.attachments"
_HEAD_BYTES: Final = 12
_MOST_BYTES: Final = 2**63  # no file has as many; a number without end cannot be put into words
_NAME: Final = re.compile(r"([0-9a-f]{64})\.[a-z0-9]{1,5}", re.ASCII)

# What a download's name ends with, by what its message says it is. No browser runs any of these.
_ENDINGS: Final = {
    "application/pdf": "pdf",
    "application/json": "json",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/wav": "wav",
    "text/csv": "csv",
    "text/plain": "txt",
    "video/mp4": "mp4",
}
_OTHER_ENDING: Final = "bin"


class Raster(NamedTuple):
    """A kind of image that is pixels, and nothing that could run."""

    media_type: str
    ending: str
    begins: re.Pattern[bytes]


_RASTERS: Final = (
    Raster("image/png", "png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    Raster("image/jpeg", "jpg", re.compile(rb"\xff\xd8\xff")),
    Raster("image/gif", "gif", re.compile(rb"GIF8[79]a")),
    Raster("image/webp", "webp", re.compile(rb"RIFF....WEBP", re.DOTALL)),
)
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def attacher(owner: str, example_id: str, address: Callable[[str], str]) -> Attach:
    """Says how a blob of this example is reached by this user; `address` makes the path for a file's name."""

    def attach(sha256: str, fact: Mapping[str, Any]) -> Attachment:
        size = fact.get("bytes")
        size_text = filesizeformat(size) if isinstance(size, int) and 0 <= size < _MOST_BYTES else "size unknown"
        claimed = fact.get("media_type")
        claimed = claimed if isinstance(claimed, str) else ""
        label = f"{short(claimed) or 'file'}, {size_text}"
        if fact.get("kept") is False:
            return Attachment(label=f"{label}: larger than is kept (BLOB_BYTES)")
        path = _path(sha256)
        if path is None:
            return Attachment(label=f"{label}: it is missing in blobs/")
        raster = _raster(path)
        name = f"{sha256}.{raster.ending if raster else _ENDINGS.get(claimed, _OTHER_ENDING)}"
        url = f"{address(name)}?key={_key(owner, example_id, name)}"
        return Attachment(label=label, url=url, is_image=raster is not None)

    return attach


def send_attachment(owner: str, example_id: str, name: str, key: str) -> FileResponse:
    """The file that the page of this example gave this user the key to; Http404 for any other."""
    found = _NAME.fullmatch(name)
    path = _path(found[1]) if found and constant_time_compare(key, _key(owner, example_id, name)) else None
    if path is None:
        raise Http404("There is no such attachment, or its link was made for somebody else: open its example.")
    raster = _raster(path)
    return FileResponse(
        path.open("rb"),
        as_attachment=raster is None,
        filename=name,
        content_type=raster.media_type if raster else "application/octet-stream",
        headers=_HEADERS,
    )


def _key(owner: str, example_id: str, name: str) -> str:
    return Signer(salt=_SALT).signature(f"{owner}\0{example_id}\0{name}")


def _path(sha256: str) -> Path | None:
    """Where the blob is; None when it is not there, or this is no hash."""
    try:
        path = blob_path(capture_settings().data_dir, sha256)
    except ValueError:
        return None
    return path if path.is_file() else None


def _raster(path: Path) -> Raster | None:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return next((raster for raster in _RASTERS if raster.begins.match(head)), None)
