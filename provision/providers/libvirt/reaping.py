"""A parent that reaps, for the time that libvirt's driver runs inside this process.

The embedded driver daemonises QEMU, so that QEMU's parent becomes PID 1. Where PID 1 reaps late (the init of a
container or of a lab machine), libvirt waits on zombies: the first capability probe takes 4 s instead of 0.9 s and
stopping a VM 1.5 s instead of 0.2 s. PR_SET_CHILD_SUBREAPER (prctl(2), Linux 3.4) makes QEMU our supervisor's child.
"""

import ctypes
import os
import signal
import sys
from typing import NoReturn

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SI_KERNEL = 0x80
"""siginfo code of a signal that the terminal sent: it reached the whole process group, so also the child."""

FORWARDED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCONT,
    signal.SIGWINCH,
)


def supervise() -> None:
    """Go on in a child of this process, which from now on only reaps, passes signals on and ends as the child ends.

    Call it while there is one thread. The child is killed when this process is (SIGKILL included); a VM that still
    runs at the end belongs to PID 1 again. Does nothing where the kernel cannot do it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not sys.platform.startswith("linux") or libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    watched = {signal.SIGCHLD, *FORWARDED}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    parent = os.getpid()
    child = os.fork()
    if child:
        _reap(child, watched)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was killed before the line above
        os._exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _reap(child: int, watched: set[signal.Signals]) -> NoReturn:
    while True:
        info = signal.sigwaitinfo(watched)
        if info.si_signo != signal.SIGCHLD:
            if info.si_code != SI_KERNEL:
                _send(child, info.si_signo)
            continue
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == child and os.WIFSTOPPED(status):
                os.kill(os.getpid(), signal.SIGSTOP)  # job control: the shell waits for this process, not the child
                _send(child, signal.SIGCONT)
            elif pid == child:
                _end_as(status)


def _send(child: int, number: int) -> None:
    try:
        os.kill(child, number)
    except ProcessLookupError:
        return


def _end_as(status: int) -> NoReturn:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
