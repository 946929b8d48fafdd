"""What training asks of the budgets, and tells them."""

from typing import Final

from capture_app.budgets import note_spend, require_budget

PURPOSE: Final = "training"


def require_training_budget(task: str) -> None:
    """Raises BudgetSpent."""
    require_budget(task, purpose=PURPOSE)


def note_training_cost(task: str, usd: float | None, *, run_id: str) -> None:
    """A run's counts once, however often it is noted; one whose cost is not known, or nothing, is not noted."""
    if usd:
        note_spend(task, usd, purpose=PURPOSE, key=f"training run {run_id}")
