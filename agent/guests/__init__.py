"""The guests: their assembly sources, and the same assembled (code.py)."""
