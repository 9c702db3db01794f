"""The agent in a guest that Ignition sets up: one file and one unit beside all that the user's config says. Pure.

https://coreos.github.io/ignition/specs/: what is used here is the same in every 3.x.
"""

import base64
import json
from typing import Any

SCRIPT = "/etc/nestproof/install-agent.sh"
UNIT = "nestproof-install.service"
UNIT_TEXT = f"""[Unit]
Description=nestproof: installs the agent that reports whether this machine can run virtual machines
After=local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh {SCRIPT}

[Install]
WantedBy=multi-user.target
"""


def ignition_config(user: str, script: str) -> bytes:
    """The user's config, and in it `script` with a unit that runs it on every boot.

    Raises ValueError for what is no config of version 3, and where the user's own has a file or a unit of our names.
    """
    try:
        config = json.loads(user)
    except (json.JSONDecodeError, RecursionError) as e:
        raise ValueError(f"the Ignition config is not JSON: {getattr(e, 'msg', 'nested too deep')}") from e
    version = _mapping(config, "").get("ignition")
    if not isinstance(version, dict) or not str(version.get("version", "")).startswith("3."):
        raise ValueError("the Ignition config has no ignition.version 3.x")
    source = "data:;base64," + base64.b64encode(script.encode()).decode()
    file = {"path": SCRIPT, "mode": 0o700, "overwrite": True, "contents": {"source": source}}
    _add(config, "storage", "files", "path", file)
    _add(config, "systemd", "units", "name", {"name": UNIT, "enabled": True, "contents": UNIT_TEXT})
    return (json.dumps(config) + "\n").encode()


def _add(config: dict[str, Any], top: str, name: str, key: str, entry: dict[str, Any]) -> None:
    """Append to a list that may not be there yet; null is as good as left out."""
    around = _mapping(config, top)
    entries = [] if around.get(name) is None else around[name]
    if not isinstance(entries, list):
        raise ValueError(f"{top}.{name} of the Ignition config is not a list")
    if any(isinstance(each, dict) and each.get(key) == entry[key] for each in entries):
        raise ValueError(f"{top}.{name} of the Ignition config has {entry[key]}, which is the agent's own")
    config[top] = around | {name: [*entries, entry]}


def _mapping(config: Any, name: str) -> dict[str, Any]:
    found = config.get(name) if name else config
    if name and found is None:
        return {}
    if not isinstance(found, dict):
        raise ValueError(f"{name or 'the top'} of the Ignition config is not a mapping")
    return found
