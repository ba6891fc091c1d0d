"""Numbers from rows: scores, intervals, statistics over tasks, learning curves. No text, no files."""
