"""Rolls policies out in their environments: final policies, kept ones, references, a foreign program's."""
