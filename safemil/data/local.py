"""The `local` source: a folder of the user's with one file in DSRL's form for each task."""

from collections.abc import Iterable
from pathlib import Path

from safemil.data.storage import refuse
from safemil.tasks import Task


def local_files(directory: Path, tasks: Iterable[Task]) -> dict[str, Path]:
    """Return the file of each task, by the task's name.

    A file bears the name of the published one, or `{task}.hdf5`.

    Raises:
        UserError: the folder is missing, or a task has no file there or two; names every task at once.
    """
    folder = directory.expanduser()
    names = {task.name: [name for name in (task.dsrl_file, f"{task.name}.hdf5") if name] for task in tasks}
    found = {
        task: [folder / name for name in both if (folder / name).is_file()] for task, both in names.items()
    }
    problems = [
        f"{task}: expected {' or '.join(names[task])}, found {'both' if files else 'none'}"
        for task, files in found.items()
        if len(files) != 1
    ]
    if not folder.is_dir():
        problems = ["expected a folder, found none"]
    hint = "`data_directory` names the folder, from where snakemake is run or absolute"
    refuse(problems, "the local source is not complete", where=folder, hint=hint)
    return {task: files[0] for task, files in found.items()}
