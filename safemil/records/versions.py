"""Versions of what can change a number."""

import platform
from importlib.metadata import version

PACKAGES = (
    "torch",
    "numpy",
    "gymnasium",
    "mujoco",
    "safety-gymnasium",
    "dsrl",
    "h5py",
    "safetensors",
    "snakemake",
)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that can change numbers."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
