"""Random streams, one per purpose, so that drawing more for one purpose never shifts another."""

import zlib

import numpy as np
import torch


def _sequence(seed: int, purpose: str) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, zlib.crc32(purpose.encode())])


def numpy_stream(seed: int, purpose: str) -> np.random.Generator:
    """Return the stream of `seed` for `purpose`, e.g. `batches`; the same two give the same stream."""
    return np.random.default_rng(_sequence(seed, purpose))


def torch_stream(seed: int, purpose: str) -> torch.Generator:
    """Return a torch generator for `purpose`, for the initialisation of networks."""
    generator = torch.Generator()
    generator.manual_seed(int(_sequence(seed, purpose).generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return generator
