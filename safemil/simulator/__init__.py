"""The simulator room: the only importer of `safety_gymnasium`, its fast path, and rollouts."""

from safemil.simulator.compatibility import allow_array_defaults

allow_array_defaults()  # before any module of this room imports the simulator's tasks
