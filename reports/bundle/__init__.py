"""The bundle that goes to whoever has to help: reports, what was recorded, what providers say, in one file.

A manifest names every file with its hash, so that what arrives is what was sent; the reports in it are judged again by
whoever reads it, by their own rules and without the machines.
"""

from reports.bundle.model import Bundle, BundleError, LeftOut, Manifest, Subject

__all__ = ["Bundle", "BundleError", "LeftOut", "Manifest", "Subject"]
