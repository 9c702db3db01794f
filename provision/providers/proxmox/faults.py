"""What Proxmox answers instead of a result, in the words of somebody who has to mend it. Pure."""

import re

from provision.provider import ProviderError

LONGEST = 300
"""Characters of a server's text that are shown."""
ROLES = {"vms": "NestproofVM", "storage": "NestproofUploads", "nodes": "NestproofNodes", "sdn": "NestproofBridges"}
"""Those of docs/proxmox.md, by the first part of a path."""
PERMISSION = re.compile(r"Permission check failed \(([^,)]*), ?([^)]*)\)")
MAKING = re.compile(r"POST /nodes/[^/ ]+/qemu(/\d+/clone)? ")
LOCKED = re.compile(r"VM is locked \(([a-z-]+)\)")
LOCKS = {
    "backup": "a backup of it is running",
    "migrate": "it is being migrated",
    "snapshot": "a snapshot of it is being taken",
    "rollback": "it is being rolled back",
    "clone": "it is being cloned",
    "create": "it is still being made",
    "suspended": "it is suspended to disk",
    "suspending": "it is being suspended",
}
NO_SPACE = ("no space left", "not enough free space", "out of space", "disk quota exceeded")


class ApiError(ProviderError):
    """An answer that is an error, with its HTTP status and Proxmox's own text."""

    def __init__(self, message: str, *, status: int, text: str, hint: str = "", refused: bool = False) -> None:
        super().__init__(message, hint=hint, refused=refused)
        self.status = status
        self.text = text

    @property
    def missing(self) -> bool:
        """There is no such method: this version does not have it."""
        return self.status == 501

    @property
    def denied(self) -> bool:
        return self.status == 403


def harmless(text: object) -> str:
    """One line without control characters, shortened: a server is not trusted either."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def explain(status: int, reason: str, errors: object, what: str, who: str) -> ApiError:
    """`what` names the call, such as `POST /nodes/pve1/qemu`; `who` is the user or token that made it."""
    text = harmless(reason)
    if isinstance(errors, dict) and errors:
        text = f"{text} {'; '.join(f'{harmless(key)}: {harmless(value)}' for key, value in sorted(errors.items()))}"
    message, hint, refused = _words(status, text, who, what)
    return ApiError(f"{message} ({what})", status=status, text=text, hint=hint, refused=refused)


def _words(status: int, text: str, who: str, what: str) -> tuple[str, str, bool]:
    if status == 401:
        return f"{who} is not let in: {text}", "check user, realm, token name and secret; tokens can expire", False
    if status == 403:
        denied = PERMISSION.search(text)
        if not denied:
            hint = "docs/proxmox.md lists the privileges that are needed"
            if MAKING.match(what):  # where one of several would do, Proxmox names none
                hint = "making a VM takes VM.Allocate on /vms, or on the pool that is named (docs/proxmox.md)"
            return f"{who} may not do this: {text}", hint, False
        path, privileges = denied[1] or "/", denied[2].replace("|", " or ")
        kind, role = "--tokens" if "!" in who else "--users", ROLES.get(path.split("/")[1], "ROLE")
        hint = f"on a node: pveum acl modify {path} {kind} '{who}' --roles {role} (the role: docs/proxmox.md)"
        return f"{who} lacks {privileges} on {path}", hint, False
    if 595 <= status <= 599:
        return f"the node does not answer: {text}", "it is offline or cut off; another node had to ask it", False
    words, hint = known(text)
    return words, hint, status == 400


def known(text: str) -> tuple[str, str]:
    """What a text of an answer or of a task's end means, and what to do; the text itself where nothing is known."""
    lower = text.lower()
    if "no quorum" in lower or "not ready - no quorum" in lower:
        hint = "most nodes of the cluster are away: `pvecm status` on one of them; nothing can be changed until then"
        return f"the cluster has lost its quorum, so its configuration is read-only: {text}", hint
    locked = LOCKED.search(text)
    if locked:
        why = LOCKS.get(locked[1], f"its lock is {locked[1]!r}")
        return f"the VM is locked: {why}", "wait for that task; `qm unlock VMID` only if no such task runs any more"
    if "can't lock file" in lower and "timeout" in lower:
        return "another task holds the VM's configuration", "wait for it to end, then apply again"
    if any(words in lower for words in NO_SPACE):
        return f"the storage is full: {text}", "free space there, or name another one in placement.datastore"
    if "kvm virtualisation configured, but not available" in lower:
        return f"KVM is not available on that node: {text}", "switch virtualization on in the node's firmware setup"
    if "unexpected status" in lower:
        return "its worker died before it could say how it ended", "look at the node's system log, then apply again"
    return text, ""
