"""The paper's claims, each decided by a rule from tables and rows."""
