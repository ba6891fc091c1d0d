"""From one row per episode to scores, intervals and tables: every number shown is computed in this room."""
