"""Stage 6 of an export: train, validation and test, each with its share of every task and domain.

What belongs together, a unit, stays together: see `units`. Stratum by
stratum (task, then domain) the units come in an order that only the seed decides, and each goes to the split that lacks
most of its share: largest remainder, carried over from one stratum to the next. So a thousand domains of one example
each are split as well as one domain of a thousand.
"""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from math import lcm

from training_archive.exports.options import SPLITS
from training_archive.exports.workspace import ALIAS, Workspace


def assign_splits(workspace: Workspace, *, shares: Sequence[Fraction], seed: int) -> None:
    """Make the table `splits` (unit, split) for the units of `items`. Of several strata, its first counts."""
    workspace.execute(f"CREATE TABLE {ALIAS}.splits (unit VARCHAR, split VARCHAR)")
    query = (
        "SELECT unit, size FROM (SELECT unit, count(*) AS size, arg_min(task, n) AS task, arg_min(domain, n) AS domain "
        f"FROM {ALIAS}.items GROUP BY unit) "
        "ORDER BY task, md5(concat(?, ' ', domain)), domain, md5(concat(?, ' ', unit)), unit"
    )
    sized = workspace.rows(query, [str(seed), str(seed)])
    workspace.insert("splits", ("VARCHAR", "VARCHAR"), _largest_remainder(sized, shares))


def _largest_remainder(units: Iterable[tuple[str, int]], shares: Sequence[Fraction]) -> Iterator[tuple[str, str]]:
    """(unit, split) for each (unit, size), in whole numbers, so that nothing is lost to rounding."""
    scale = lcm(*(share.denominator for share in shares))
    weights = [int(share * scale) for share in shares]
    lacking = [0] * len(weights)
    for unit, size in units:
        lacking = [lack + size * weight for lack, weight in zip(lacking, weights, strict=True)]
        # A share of 0 gets nothing, even when all others have more than theirs.
        place = max((i for i, weight in enumerate(weights) if weight), key=lacking.__getitem__)
        lacking[place] -= size * scale
        yield unit, SPLITS[place]
