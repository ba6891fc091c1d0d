"""What a learned cost knows: its scores on held-out trajectories, run by run."""
