"""Where nestproof keeps things, by the XDG base directory specification."""

import os
from pathlib import Path

import platformdirs


def state_dir() -> Path:
    """Reports, the page of all of them, and embedded libvirt: $NESTPROOF_STATE, else nestproof/ in XDG_STATE_HOME."""
    own = os.environ.get("NESTPROOF_STATE")
    return Path(own).absolute() if own else platformdirs.user_state_path("nestproof")


def cache_dir() -> Path:
    """Downloaded images, safe to delete: $NESTPROOF_CACHE, else nestproof/ in XDG_CACHE_HOME."""
    own = os.environ.get("NESTPROOF_CACHE")
    return Path(own).absolute() if own else platformdirs.user_cache_path("nestproof")
