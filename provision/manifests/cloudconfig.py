"""What a cloud-config says that cloud-init would ignore in silence, or that opens a VM which can run others."""

import re
from collections.abc import Iterator
from difflib import get_close_matches

from provision.manifests import rulebook
from provision.manifests.rulebook import Rule
from provision.manifests.text import shown
from provision.manifests.tree import Loc, Tree

KEYS = frozenset([
    "allow_public_ssh_keys", "ansible", "apk_repos", "apt", "apt_pipelining", "apt_reboot_if_required",
    "apt_update", "apt_upgrade", "authkey_hash", "autoinstall", "bootcmd", "byobu_by_default", "ca-certs",
    "ca_certs", "chef", "chpasswd", "cloud_config_modules", "cloud_final_modules", "cloud_init_modules",
    "create_hostname_file", "datasource", "device_aliases", "disable_ec2_metadata", "disable_root",
    "disable_root_opts", "disk_setup", "drivers", "fan", "final_message", "fqdn", "fs_setup", "groups", "growpart",
    "grub-dpkg", "grub_dpkg", "hostname", "keyboard", "landscape", "locale", "locale_configfile", "lxd",
    "manage_etc_hosts", "manage_resolv_conf", "mcollective", "merge_how", "merge_type", "migrate",
    "mount_default_fields", "mounts", "network", "no_ssh_fingerprints", "ntp", "output",
    "package_reboot_if_required", "package_update", "package_upgrade", "packages", "password", "phone_home",
    "power_state", "prefer_fqdn_over_hostname", "preserve_hostname", "puppet", "random_seed", "reporting",
    "resize_rootfs", "resolv_conf", "rh_subscription", "rsyslog", "runcmd", "salt_minion", "snap", "spacewalk",
    "ssh", "ssh_authorized_keys", "ssh_deletekeys", "ssh_fp_console_blacklist", "ssh_genkeytypes", "ssh_import_id",
    "ssh_key_console_blacklist", "ssh_keys", "ssh_publish_hostkeys", "ssh_pwauth", "ssh_quiet_keygen", "swap",
    "system_info", "timezone", "ubuntu_advantage", "ubuntu_pro", "updates", "user", "users", "vendor_data",
    "wireguard", "write_files", "yum_repo_dir", "yum_repos", "zypper",
])  # fmt: skip
"""Top-level keys that cloud-init's modules read (its schema, 22.4 to 25)."""
NEAR = 0.85
"""How like a key another has to be to count as misspelt: modules of other makers may read keys of their own."""

DEFAULT_USERS = frozenset([
    "admin", "almalinux", "alpine", "arch", "centos", "cloud-user", "core", "debian", "ec2-user", "fedora",
    "opensuse", "rocky", "root", "ubuntu", "user",
])  # fmt: skip
"""Names that the images of distributions give their first user."""
_HASHED = re.compile(r"\$(1|2[aby]|5|6|7|y|gy)\$.+")
_RANDOM = ("", "R", "RANDOM")
_YES = ("yes", "true", "on", "1")

Found = Iterator[tuple[Rule, int, str]]


def check(tree: Tree) -> Found:
    """Broken rules with the line (from 1) and what was found there; no password is ever shown."""
    for key in tree.value:
        near = get_close_matches(key[:64], KEYS, 1, NEAR) if key not in KEYS else []
        if near:
            yield rulebook.USERDATA_KEY, _line(tree, (key,)), f"{shown(key)} is no key of it (did you mean {near[0]}?)"
    for loc in _passwords(tree.value):
        yield rulebook.GUEST_PASSWORD, _line(tree, loc), "a user's password stands there in plain text"
    if str(tree.value.get("ssh_pwauth")).lower() in _YES:
        yield rulebook.GUEST_PASSWORD_LOGIN, _line(tree, ("ssh_pwauth",)), "ssh_pwauth is on"
    for loc, user in _users(tree.value):
        name = user.get("name")
        if isinstance(name, str) and name in DEFAULT_USERS and "NOPASSWD" in str(user.get("sudo")):
            what = f"the user {name} is root by sudo without a password"
            yield rulebook.GUEST_DEFAULT_USER, _line(tree, (*loc, "name")), what


def _passwords(config: dict[str, object]) -> Iterator[Loc]:
    if _plain(config.get("password")):
        yield ("password",)
    for loc, user in _users(config):
        for key in ("plain_text_passwd", "plain-text-passwd"):
            if user.get(key):
                yield (*loc, key)
    chpasswd = config.get("chpasswd")
    if not isinstance(chpasswd, dict):
        return
    entries = chpasswd.get("list")
    for entry in entries.splitlines() if isinstance(entries, str) else entries if isinstance(entries, list) else ():
        if _plain(str(entry).partition(":")[2]):
            yield ("chpasswd", "list")
            break
    for number, user in enumerate(_mappings(chpasswd.get("users"))):
        if _plain(user.get("password")) and user.get("type", "hash") != "hash":
            yield ("chpasswd", "users", number)


def _users(config: dict[str, object]) -> Iterator[tuple[Loc, dict[str, object]]]:
    for number, user in enumerate(_mappings(config.get("users"))):
        if user:
            yield ("users", number), user


def _mappings(value: object) -> list[dict[str, object]]:
    """The entries of a list; what is no mapping, such as the word `default`, as an empty one."""
    return [entry if isinstance(entry, dict) else {} for entry in value] if isinstance(value, list) else []


def _plain(password: object) -> bool:
    if isinstance(password, bool) or not isinstance(password, str | int):
        return False
    text = str(password).strip()
    return text not in _RANDOM and not _HASHED.match(text)


def _line(tree: Tree, loc: Loc) -> int:
    return tree.place(loc).line
