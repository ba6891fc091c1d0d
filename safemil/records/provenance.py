"""Where a result comes from: the commit, and digests of the code that made it."""

import ast
import hashlib
import importlib.util
import subprocess
from functools import cache
from pathlib import Path

import grimp

from safemil.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[2]
# The loop that trains any method: a policy is decided by what it and the method import. What stands around it
# reads settings, shows progress and writes files, and decides nothing.
TRAINING_LOOP = "safemil.training.loop"


def commit() -> str:
    """Return the git commit of the project, with `-dirty` where tracked files differ, or `unknown`."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):  # no git, or not a checkout: an archive was unpacked
        return "unknown"
    return described.stdout.strip()


@cache
def _import_graph() -> grimp.ImportGraph:
    return grimp.build_graph("safemil", cache_dir=None)


def _without_docstrings(source: str) -> str:
    """Return what a module does, so that editing a comment or a docstring reruns nothing."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def _file_of(module: str) -> Path:
    if module.split(".")[0] != "safemil":  # a method of the user's own
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise UserError("the method's module cannot be found", where=module)
        return Path(spec.origin)
    path = REPOSITORY.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imports(module: str) -> set[str]:
    """Return every name that a module outside the package imports, be it a module or something in one.

    The packages that it lies in are among them, for Python runs them first.
    """
    file = _file_of(module)
    parents = module.split(".")[:-1]
    names = {".".join(parents[:depth]) for depth in range(1, len(parents) + 1)}
    package = module if file.name == "__init__.py" else ".".join(parents)
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(relative, package)
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return names


def _is_module(name: str) -> bool:
    """Say whether a name is that of a module with a file, not of a plain folder or of something in one."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # what it would lie in is no package
        return False
    return spec is not None and spec.has_location


def _with_neighbours(module: str) -> frozenset[str]:
    """Return a module outside the package and what it imports from its own top folder, directly or not."""
    top, found, waiting = module.partition(".")[0], {module}, [module]
    while waiting:
        names = {name for name in _imports(waiting.pop()) if name.partition(".")[0] == top}
        new = {name for name in names - found if _is_module(name)}
        found |= new
        waiting += new
    return frozenset(found)


def modules_behind(*modules: str) -> frozenset[str]:
    """Return the given modules and all that they import from the package, directly or through others.

    Of a module outside the package count its own file, what it imports from its own top folder, and what
    these import from the package; not what else is installed.
    """
    graph = _import_graph()
    outside = {each for module in set(modules) - graph.modules for each in _with_neighbours(module)}
    imported = {name for module in outside for name in _imports(module)} & graph.modules
    direct = imported | (set(modules) & graph.modules)
    return frozenset(outside | direct).union(*(graph.find_upstream_modules(module) for module in direct))


@cache
def source_digest(*modules: str) -> str:
    """Return a digest of the given modules and of all they import from the package (`modules_behind`).

    It changes when code that can change their results does, and not when other code, a comment or a
    docstring does. Rules carry it as a parameter, for Snakemake does not look into imports.
    """
    digest = hashlib.sha256()
    for module in sorted(modules_behind(*modules)):
        digest.update(module.encode() + b"\0" + _without_docstrings(_file_of(module).read_text()).encode())
    return digest.hexdigest()[:16]


def training_code(method_module: str) -> str:
    """Return the digest of the code behind a training of the method in `method_module`."""
    return source_digest(TRAINING_LOOP, method_module)
