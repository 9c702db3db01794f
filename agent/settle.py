"""Waiting for a machine that is still starting."""

import os
import time

PATIENCE = 15.0  # seconds that the kernel and udev may take to load KVM
PAUSE = 0.25


def wait_for_kvm(started):
    """Wait for /dev/kvm when the CPU can do it, until PATIENCE after ``started`` (monotonic): it may be loading."""
    from agent.cpu import flags
    from agent.facts import NotOk
    from agent.machine import Machine

    try:
        able = {"vmx", "svm"} & set(flags(Machine()))
    except (OSError, NotOk):
        able = set()
    while able and not os.path.exists("/dev/kvm") and time.monotonic() < started + PATIENCE:
        time.sleep(PAUSE)
