"""Which environment seeds are used for what: ranges that never meet.

Training of behaviour policies uses small seeds; every later use has a range of its own, so that no
episode a policy is judged by has been seen while it, or the data it learned from, was made.
"""

EVALUATION_SEEDS = range(1_000_000, 2_000_000)
COLLECTION_SEEDS = range(2_000_000, 3_000_000)
SELECTION_SEEDS = range(3_000_000, 4_000_000)
