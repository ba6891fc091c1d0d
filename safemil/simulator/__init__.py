"""The simulator room: the only importer of `safety_gymnasium`, its fast path, and rollouts."""
