"""The `dsrl` source: puts a published file in place, out of a folder of the user's or from the network.

What appears in place is a link. The file itself stays where it was found, or lies in `downloads/` beside the
link, where a workflow that makes its outputs anew never deletes it.
"""

from collections.abc import Callable
from pathlib import Path

from safemil.data.download import Downloader
from safemil.data.dsrl_table import PublishedFile
from safemil.data.hdf5 import read_outline
from safemil.data.source_checks import check_published, hash_record
from safemil.errors import UserError
from safemil.files import replacing
from safemil.tasks import Task

DOWNLOADS = "downloads"
ENVIRONMENT_VARIABLE = "DSRL_DATASET_DIR"


def provide(
    task: Task,
    published: PublishedFile,
    output: Path,
    downloader: Downloader,
    *,
    dataset_directory: Path | None = None,
) -> None:
    """Make sure that a task's published file is at `output`, checked.

    A file that is there already is checked and left alone. Otherwise the file is looked for in
    `dataset_directory`, then in `downloads/` beside `output`, and else downloaded to there.

    Args:
        task: what the file must hold.
        published: the file's row of the table.
        output: gets a link to the file, or is the file.
        downloader: fetches it where it is in no folder.
        dataset_directory: the user's own folder of DSRL files, which is only read.

    Raises:
        UserError: a file that was found is not the right one, or it could not be downloaded.
    """
    download = output.parent / DOWNLOADS / published.name
    folders = [dataset_directory.expanduser()] if dataset_directory is not None else []
    candidates = [output, *(folder / published.name for folder in folders), download]

    def check(path: Path) -> None:
        check_published(path, task, read_outline(path, task=task), published, hash_record(output))

    try:
        found = next((path for path in candidates if path.is_file()), None)
        if found is None:
            downloader.fetch(published.addresses, download, check, hint=_by_hand(published, download))
            found = download
        else:
            _check_found(found, check, hash_record(output))
        if found != output:
            _link(output, found)
    except OSError as error:
        hint = "make sure that the file and the folder can be read and written, and that the disk is not full"
        raise UserError("the file cannot be put in place", found=error, where=output, hint=hint) from error


def _check_found(found: Path, check: Callable[[Path], None], record: Path) -> None:
    try:
        check(found)
    except UserError as error:
        hint = (
            f"replace the file, or remove it (or unset {ENVIRONMENT_VARIABLE}, if it is in that folder) to "
            f"have it downloaded; if the file is right and only its recorded hash is not, remove {record}"
        )
        raise UserError(error.problem, where=found, hint=hint) from error


def _by_hand(published: PublishedFile, download: Path) -> str:
    return (
        f"get {published.name} by another way and put it at {download}, or set {ENVIRONMENT_VARIABLE} to the "
        "folder it is in, and run again; or take `source: collected`, which needs no network"
    )


def _link(link: Path, target: Path) -> None:
    # Relative to a neighbour, so that the project's folder can be moved.
    neighbour = target.is_relative_to(link.parent)
    with replacing(link) as temporary:
        temporary.symlink_to(target.relative_to(link.parent) if neighbour else target.resolve())
