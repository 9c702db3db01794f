"""Proof by execution: guests of a few hundred bytes, and the verdict of their own mouths."""
