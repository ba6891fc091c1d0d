"""Which methods there are, by name; free of torch, so that the workflow can look names up in no time."""

from safemil.errors import UserError

BUILT_IN = {"bc": "safemil.methods.bc", "safemil": "safemil.methods.safemil"}


def module_name(method: str) -> str:
    """Return the module that implements `method`: that of a built-in name, or itself a dotted module path.

    Raises:
        UserError: it is neither.
    """
    if method not in BUILT_IN and "." not in method:
        raise UserError(
            "unknown method",
            expected=f"one of {', '.join(BUILT_IN)}, or the dotted path of a module with METHOD in it",
            found=method,
        )
    return BUILT_IN.get(method, method)
