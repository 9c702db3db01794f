"""Which remedies were carried out for real: remedy id -> the lab scenario in which its commands turned the verdict.

A remedy that is not here was never run by a test, and the reader is told so.
"""

PROVED: dict[str, str] = {
    "device.acl": "node-0600",
    "device.group": "node-group",
    "device.login": "node-old-session",
    "device.remake": "node-missing",
    "device.replace": "node-of-null",
    "device.rule": "node-0600-rule",
    "module.fix-option": "amd-option-refused",
    "module.load": "amd-nothing-loaded",
    "module.nested-edit": "amd-nested-off-configured",
    "module.nested-on": "amd-nested-off",
    "module.parameter-on": "amd-npt-off",
    "module.persist": "amd-running-not-configured",
    "module.reload": "amd-configured-not-reloaded",
    "module.unblock": "amd-blacklisted",
}
