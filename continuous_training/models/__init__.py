"""What Django's database knows of the loop: exports, training runs, evaluations, promotions, memories."""

from continuous_training.models.evaluations import Evaluation, EvaluationItem, HeldOutExample
from continuous_training.models.exports import ExportedExample, FinetuneExport
from continuous_training.models.housekeeping import ModelRemoval
from continuous_training.models.memories import Memory, Repetition
from continuous_training.models.promotions import Promotion
from continuous_training.models.runs import TrainedModel, TrainingRun

__all__ = [
    "Evaluation",
    "EvaluationItem",
    "ExportedExample",
    "FinetuneExport",
    "HeldOutExample",
    "Memory",
    "ModelRemoval",
    "Promotion",
    "Repetition",
    "TrainedModel",
    "TrainingRun",
]
