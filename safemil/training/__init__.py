"""The training room: one loop for every method, checkpoints that resume to the same bits, seeds, progress."""
