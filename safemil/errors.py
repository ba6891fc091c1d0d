"""The one exception that is addressed to a person rather than to a developer.

The command line catches `UserError`, prints it without a traceback and exits with code 1. Everything
else that is raised is a defect of this project and keeps its traceback.
"""

from pydantic import ValidationError


class UserError(Exception):
    """Something the user can put right: says what was expected, found, where, and what to do.

    Args:
        problem: one sentence that says what is wrong.
        expected: what should have been there.
        found: what was there instead.
        where: the file, key or rule in which it was found.
        hint: what the user can do about it.

    Attributes:
        problem: the first argument, for an error that reports others.
    """

    def __init__(
        self,
        problem: str,
        *,
        expected: object = None,
        found: object = None,
        where: object = None,
        hint: str | None = None,
    ) -> None:
        self.problem = problem
        details = {"expected": expected, "found": found, "where": where, "hint": hint}
        lines = [f"  {name + ':':<10}{value}" for name, value in details.items() if value is not None]
        super().__init__("\n".join([problem, *lines]))


def problem_lines(error: ValidationError) -> list[str]:
    """Return one line for each problem that pydantic found: place, what is wrong, what was found."""
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"]) or "configuration"
        lines.append(f"{place}: {problem['msg']}, found {_shortened(problem['input'])}")
    return lines


def _shortened(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."
