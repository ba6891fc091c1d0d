"""The behaviour room: constrained-RL training of behaviour policies, and collecting data with them."""
