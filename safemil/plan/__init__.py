"""What is to be run: the configuration, ablations, what the rules need of them, and kept runs."""
