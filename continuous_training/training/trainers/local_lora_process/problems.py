"""What keeps a run from succeeding, in words for people who do not know these libraries."""

import errno
from collections.abc import Iterator


class Hopeless(Exception):
    """It is no use to try again as things are. The message says what happened and what to do."""


def hopeless(error: BaseException) -> Hopeless | None:
    """The error in words, when trying again would only repeat it; None for any other."""
    if isinstance(error, Hopeless):
        return error
    chain = list(_chain(error))
    if any(_is_full_disk(each) for each in chain):
        return Hopeless("There is no room left on the disk. Make room, and request the run anew.")
    if any(_is_out_of_memory(each) for each in chain):
        return Hopeless(
            "The memory was not enough. Lower batch_size (and raise accumulate by as much), lower max_length, or take "
            "a smaller base model, and request the run anew."
        )
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_full_disk(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    # torch and safetensors write by themselves, and have errors of their own.
    return "No space left on device" in str(error) or "PytorchStreamWriter failed" in str(error)


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return "not enough memory" in str(error)  # what torch says of a CPU's


def base_problem(name: str, error: BaseException) -> Hopeless:
    """Why a base model cannot be loaded."""
    kinds = {type(each).__name__ for each in _chain(error)}
    said = " ".join(str(each) for each in _chain(error))
    return Hopeless(f"The base model {name!r} cannot be loaded: {_why(name, kinds, said)}")


def _why(name: str, kinds: set[str], said: str) -> str:
    if "GatedRepoError" in kinds:
        return (
            f"it is given only to those who agreed to its terms. Agree to them at https://huggingface.co/{name}, and "
            "set HF_TOKEN to a token of that account."
        )
    if kinds & {"RepositoryNotFoundError", "HFValidationError"}:
        return "there is no such folder, and no such model on the Hugging Face hub. Give another one."
    if kinds & {"LocalEntryNotFoundError", "OfflineModeIsEnabled", "ConnectError", "ConnectionError", "ConnectTimeout"}:
        return (
            "it is not on this machine, and the Hugging Face hub cannot be reached. Fetch it where there is a network "
            f"(`hf download {name}`, and HF_HOME is where it lands), or give the path of a folder that holds one."
        )
    if "safetensors" in said:
        return "it has no weights as safetensors. Other formats may run code when they are read, and are never read."
    if "trust_remote_code" in said:
        return "it needs program code of its own, which is never run. Take a base that transformers knows."
    return (
        "the folder holds no complete model that transformers knows. Give another one; the run's log has the details."
    )
