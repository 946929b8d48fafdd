"""Where a task's newest export lies."""

from pathlib import Path

from continuous_training.conf import loop_settings
from continuous_training.exceptions import TrainingRefused
from continuous_training.exporting.master import check_sound, read_master


def newest_files(task: str) -> list[Path]:
    """All pairs of the task, each once, in one file or several. Only while the exports' lock is held.

    Raises TrainingRefused when there are none, and ExportRefused when a file is not what was written.
    """
    folder = loop_settings().exports_folder
    master = read_master(folder)
    files = master.files.get(task, ()) if master else ()
    if not files:
        raise TrainingRefused(
            f"There is no export of the task {task!r} in {folder}. No run was made. `manage.py export_finetune` makes "
            "one of what was captured; `--data FILE` names other files."
        )
    for file in files:
        check_sound(folder, file)
    return [folder / file.name for file in files]
