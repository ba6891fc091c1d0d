"""Is a labelled file the one it is taken for? Checks beyond its form, made each time before it is used.

A published file's name ends in its highest episode cost and its number of trajectories. Its SHA-256 is held
to the table of files where that knows it, and otherwise to what was recorded when the file was first used.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from safemil.data.dsrl_table import PublishedFile, published_file
from safemil.data.outline import Outline
from safemil.data.storage import refuse
from safemil.errors import UserError
from safemil.files import sha256, write_text
from safemil.tasks import Task

# The number in the name is DSRL's limit in whole numbers, which the file need not reach: the highest cost
# that `dsrl.infos` states for the file named 300 of Point-Circle2 is 299. One above allows for a number that
# was cut to a whole one. A tenth below is more than any known file needs, and less than lies between the
# limits of two tasks.
COST_ABOVE_NAME = 1.0
SMALLEST_SHARE_OF_NAMED_COST = 0.9


@dataclass(frozen=True)
class CheckedFile:
    """What is known of a file that passed its checks.

    Attributes:
        sha256: of its content.
        licence: of the data; None where the source does not say.
    """

    sha256: str
    licence: str | None = None


def hash_record(path: Path) -> Path:
    """Return where the SHA-256 of the published file at `path` is recorded, in the form of `sha256sum`."""
    return path.with_name(f"{path.name}.sha256")


def check_source(source: str, path: Path, task: Task, outline: Outline, table: Path) -> CheckedFile:
    """Check a source's file before it is used.

    Args:
        source: `collected`, `dsrl` or `local`. Of a `local` file the numbers of the name are checked if it
            bears the published file's name.
        path: the file.
        task: what it should hold.
        outline: what `read_outline` returned for it.
        table: the table of published files.

    Raises:
        UserError: it is not what it is taken for.
    """
    if source == "dsrl":
        return check_published(
            path, task, outline, published_file(task.published_name(), table), hash_record(path)
        )
    if source == "local" and path.name == task.dsrl_file:
        _refuse_other_numbers(path, task, outline)
    return CheckedFile(sha256(path))


def check_published(
    path: Path, task: Task, outline: Outline, published: PublishedFile, record: Path
) -> CheckedFile:
    """Check a published file, and record its SHA-256 at first use.

    Args:
        path: the file.
        task: what it should hold.
        outline: what `read_outline` returned for it.
        published: its row of the table of files.
        record: where its SHA-256 is, or will be, recorded.

    Raises:
        UserError: count, cost, size or SHA-256 are not what they should be.
    """
    _refuse_other_numbers(path, task, outline)
    size = path.stat().st_size
    if published.size not in (None, size):
        raise UserError(
            f"it has {size} bytes, not {published.size} (as the table of files says)",
            where=path,
            hint="the file is cut off or another one: get the published one",
        )
    return CheckedFile(_held_hash(path, published, record), published.licence)


def _refuse_other_numbers(path: Path, task: Task, outline: Outline) -> None:
    refuse(
        list(_number_problems(task, outline)),
        f"this is not the file called {task.dsrl_file}",
        where=path,
        hint="it may be another task's, a selection, or cut off and repaired: get the published file",
    )


def _number_problems(task: Task, outline: Outline) -> Iterator[str]:
    if outline.n_trajectories != task.dsrl_trajectories:
        yield f"expected {task.dsrl_trajectories} trajectories, found {outline.n_trajectories}"
    lowest = SMALLEST_SHARE_OF_NAMED_COST * task.maximum_cost
    highest = task.maximum_cost + COST_ABOVE_NAME
    found = float(outline.episode_costs.max())
    if not lowest <= found <= highest:
        yield f"expected a highest episode cost between {lowest:g} and {highest:g}, found {found:g}"


def _held_hash(path: Path, published: PublishedFile, record: Path) -> str:
    found = sha256(path)
    if published.sha256 is not None:
        expected, origin = published.sha256, "as the table of files says"
    elif record.is_file():
        expected, origin = _recorded_hash(record), f"as recorded at first use in {record}"
    else:
        write_text(record, f"{found}  {published.name}\n")
        return found
    if found != expected:
        raise UserError(
            f"its SHA-256 is {found}, not {expected} ({origin})",
            where=path,
            hint="the file was changed or damaged: get the published one; if it is the right one and only "
            "the record is wrong, delete the record",
        )
    return found


def _recorded_hash(record: Path) -> str:
    words = record.read_text(encoding="utf-8").split()
    if not words or len(words[0]) != 64:
        hint = "delete it to record the hash of the present file"
        raise UserError("unreadable record of a SHA-256", expected="`HASH  FILE`", where=record, hint=hint)
    return words[0]
