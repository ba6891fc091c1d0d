"""What is known of runs: episodes, records of trainings, where they come from, whether they are all there."""
