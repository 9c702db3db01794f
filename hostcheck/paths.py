"""Where nestproof keeps things, and others theirs, by the XDG base directory specification."""

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


def libvirt_client_file() -> Path:
    """What libvirt's clients are told, of the system for root, else of the user: libvirt.conf."""
    if os.geteuid() == 0:
        return Path("/etc/libvirt/libvirt.conf")
    return platformdirs.user_config_path("libvirt") / "libvirt.conf"
