"""Figures: each is one function from tables to a matplotlib Figure and the numbers it shows."""
