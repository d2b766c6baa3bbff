"""Kinds of figures: what they tabulate, and how they are drawn."""
