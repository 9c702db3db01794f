"""Which remedies were carried out for real: remedy id -> the lab scenario in which its commands turned the verdict.

A remedy that is not here was never run by a test, and the reader is told so.
"""

PROVED: dict[str, str] = {}
