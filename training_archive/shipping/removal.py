"""Which chunks the copy would lose by a ship, and whether anybody meant that.

A chunk may leave the copy when it was merged, which the sidecars here tell, or when pruning or forgetting noted it. Any
other that is not here may be on a disk that is not mounted, or in a ZIP that was moved away.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from capture_app.wording import counted
from training_archive.shipping.exceptions import ShippingError
from training_archive.shipping.manifest import ShippedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What is to leave the copy."""

    shipped: Sequence[ShippedFile]  # what the copy has
    here: Sequence[ShippedFile]
    noted: Set[str]  # chunks that were removed on purpose

    @property
    def gone(self) -> set[str]:
        """Chunks of the copy that are not here under their names."""
        return chunks_in(self.shipped) - chunks_in(self.here)

    @property
    def lost(self) -> set[str]:
        """Those of them that were neither merged nor removed on purpose."""
        accounted = _with_sources(self.here) | self.noted
        merged = {chunk for file in self.shipped for chunk in file.chunks if accounted.issuperset(file.sources(chunk))}
        return self.gone - accounted - merged

    @property
    def told(self) -> set[str]:
        """What need not be noted any longer once the copy is what is here."""
        return _with_sources(self.shipped).intersection(self.noted) - _with_sources(self.here)

    def refuse_losses(self, zip_path: Path) -> None:
        if lost := sorted(self.lost):
            raise ShippingError(
                f"{counted(len(lost), 'chunk')} of the copy, {lost[0]} among them, would be lost: not in the archive "
                f"at {zip_path}, and neither merged, pruned nor forgotten there. Nothing was changed, here or there. "
                "Mount the disk or bring the ZIPs back (`manage.py fetch_archive --to DIR` fetches what was shipped); "
                "if they are to go there too, say `manage.py ship_archive --allow-loss`."
            )


def chunks_in(files: Iterable[ShippedFile]) -> set[str]:
    return {chunk for file in files for chunk in file.chunks}


def _with_sources(files: Sequence[ShippedFile]) -> set[str]:
    """All names that the examples in these chunks go or went by."""
    sources = (file.sources(chunk) for file in files for chunk in file.chunks)
    return chunks_in(files).union(*sources)
