"""The receipt of a request to forget: what was done, when and by whom, signed, and nothing of what was forgotten."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from django.core.signing import BadSignature, Signer
from django.utils.crypto import salted_hmac

from capture_app.conf import capture_settings
from capture_app.files import write_atomically
from training_archive.exceptions import ArchiveError

FOLDER: Final = "receipts"  # beside the live database
_SALT: Final = "training_archive.receipts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was forgotten. Times are ISO 8601 in UTC."""

    id: str
    kind: str  # what was asked for: user, conversation or id
    selector_hmac: str  # of the value asked for; whoever knows the value and the key can check it
    requested_by: str
    requested_at: str
    finished_at: str
    searched: dict[str, int]  # ZIPs and chunks that were read
    examples: int
    removed: dict[str, int]  # place -> examples, records or files
    chunks: dict[str, int]  # "<ZIP>/<chunk>" -> examples
    shipped_to: str  # the storage whose copies were replaced; "" when there is none
    made_from_them: list[dict[str, Any]]  # kind, name, examples: exports, training files, models. They still hold them


def selector_hmac(kind: str, values: list[str]) -> str:
    """HMAC-SHA256 under SECRET_KEY, in hex: it tells the same request again, and nothing to who does not know it."""
    return salted_hmac(f"{_SALT}.{kind}", orjson.dumps(sorted(values)), algorithm="sha256").hexdigest()


def write_receipt(receipt: Receipt) -> Path:
    """Sign it and keep it in the data directory."""
    folder = capture_settings().data_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{receipt.id}.json"
    facts = asdict(receipt)
    signed = {**facts, "signature": _signer().signature(_canonical(facts))}
    write_atomically(path, orjson.dumps(signed, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    path.chmod(0o600)
    return path


def read_receipt(path: Path) -> Receipt:
    """The receipt in the file. ArchiveError unless it is one, and as it was when this installation signed it."""
    try:
        facts = orjson.loads(path.read_bytes())
        signature = facts.pop("signature")
        _signer().unsign(f"{_canonical(facts)}:{signature}")
        return Receipt(**facts)
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchiveError(f"{path} is no receipt. Nothing was changed.") from error
    except BadSignature as error:
        raise ArchiveError(
            f"{path} is not as it was signed, or was signed with another SECRET_KEY (SECRET_KEY_FALLBACKS may name "
            "older ones). Nothing was changed."
        ) from error


def _canonical(facts: dict[str, Any]) -> str:
    return orjson.dumps(facts, option=orjson.OPT_SORT_KEYS).decode()


def _signer() -> Signer:
    return Signer(salt=_SALT, algorithm="sha256")
