"""What was made from an example: exports, training files, models; whatever the installed apps can tell."""

import logging
from dataclasses import dataclass, field
from typing import Final

from capture_app.shown import short
from training_archive.made_from import made_from
from training_archive.models import DatasetExport

logger = logging.getLogger("console")

_FEW_EXPORTS: Final = 3  # each is a Parquet file to be opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Something that holds the example, or was trained on it."""

    kind: str
    name: str
    is_certain: bool  # False: it cannot be told any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What was made from it, as far as was asked."""

    products: list[Product] = field(default_factory=list)
    is_asked: bool = True  # False: finding out takes a while, and nobody has asked for it yet
    has_failed: bool = False


def lineage(example_id: str, *, is_wanted: bool) -> Lineage:
    """Looked up at once where that is quick, else when it is wanted."""
    if not is_wanted and DatasetExport.objects.all()[: _FEW_EXPORTS + 1].count() > _FEW_EXPORTS:
        return Lineage(is_asked=False)
    try:
        found = made_from([example_id])
    except Exception:  # any app may answer, and may fail in its own way: the page is worth having all the same
        logger.warning("What was made from an example could not be told.", exc_info=True)
        return Lineage(has_failed=True)
    products = [Product(kind=each.kind, name=short(each.name), is_certain=each.examples is not None) for each in found]
    return Lineage(products=products)
