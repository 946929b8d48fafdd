"""Stage 3 of an export: of examples that ask the same, the best one stays."""

from typing import Final

from training_archive.exports.workspace import ALIAS, Workspace

REASON: Final = "exact duplicate"

# The best first: a whole answer before a cut or an empty one, a corrected one before all that are not, then by rating,
# then the latest. The id decides when all that is equal.
BEST_FIRST: Final = "usable DESC, corrected DESC, rating DESC NULLS LAST, created_at DESC NULLS LAST, id DESC"


def leave_out_exact_duplicates(workspace: Workspace, *, by_answer: bool) -> None:
    """Keep one example for each prompt_hash, task and set of attachments.

    `by_answer`: one for each answer to them too, since a preference needs several.
    """
    same = "question, answer" if by_answer else "question"
    workspace.leave_out(
        REASON,
        f"SELECT row FROM {ALIAS}.alive QUALIFY row_number() OVER (PARTITION BY {same} ORDER BY {BEST_FIRST}) > 1",
    )
