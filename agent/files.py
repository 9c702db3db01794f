"""Reading files of a machine, or of a recorded tree, without ever hanging, overrunning or leaving the tree."""

import errno
import os
import stat


def resolve(root, path):
    """Return where ``path`` lies below ``root``, following links as if ``root`` were /; OSError(ELOOP) on loops."""
    if not root:
        return path
    done = []  # type: list
    todo, links = path.strip("/").split("/"), 0
    while todo:
        part = todo.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            done = done[:-1]
            continue
        here = "/".join([root] + done + [part])
        try:
            target = os.readlink(here)
        except OSError:
            done.append(part)
            continue
        links += 1
        if links > 40:
            raise OSError(errno.ELOOP, "Too many levels of symbolic links", path)
        if target.startswith("/"):
            done = []
        todo = target.split("/") + todo
    return "/".join([root] + done)


def read(root, path, limit=65536):
    """Return at most ``limit`` bytes of a regular file as text, undecodable bytes replaced; OSError when it cannot."""
    fd = os.open(resolve(root, path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", path)
        parts, left = [], limit
        while left > 0:
            part = os.read(fd, left)
            if not part:
                break
            parts.append(part)
            left -= len(part)
    finally:
        os.close(fd)
    return b"".join(parts).decode("utf-8", "replace")


def names(root, path):
    """Return the sorted names in a directory, at most 4096; OSError when it cannot be listed."""
    return sorted(os.listdir(resolve(root, path)))[:4096]
