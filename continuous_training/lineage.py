"""What the loop made from examples, and the copies that it keeps of them: asked and erased by `forget`."""

from continuous_training.evaluation.copies import EVALUATIONS
from continuous_training.evaluation.held_out import all_held_out
from continuous_training.exporting.forgetting import PLACE as EXPORTED_PAIRS
from continuous_training.exporting.forgetting import erase_pairs, made_from_exports
from continuous_training.memory.forgetting import erase_memories, said_again
from continuous_training.training.lineage import stop_training_on, trained_on
from training_archive.copies import Copies, register_copies
from training_archive.held_out import register_held_out
from training_archive.made_from import register_made_from

register_copies(Copies(place="memories", erase=erase_memories, said_again=said_again))
register_copies(EVALUATIONS)
register_held_out(all_held_out)
register_copies(Copies(place=EXPORTED_PAIRS, erase=erase_pairs, said_again=lambda wanted: ()))
register_made_from(made_from_exports)
# After the exported pairs: what is asked for a run meanwhile then finds them gone, or is found here.
register_copies(Copies(place="training runs", erase=stop_training_on, said_again=lambda wanted: ()))
register_made_from(trained_on)
