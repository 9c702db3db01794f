"""The NoCloud seed: what cloud-init in the guest reads on its first boot. Pure; the same input gives the same bytes.

https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html
"""

import base64
import hashlib
import io
import json

import pycdlib

from provision.user_data import MIME, kind_of

LABEL = "cidata"
SECTOR = 2048
DIRECTORY_DATE = bytes((100, 1, 1, 0, 0, 0, 0))
"""2000-01-01 in a directory record (ECMA-119 9.1.5): pycdlib would write the present time."""
VOLUME_DATE = b"2000010100000000\0"


def user_data_multipart(user: str | None, agent_part: str) -> bytes:
    """User-data that is the user's own, untouched, and after it our boothook.

    The user's may be of any kind that cloud-init knows, also a MIME message, whose parts are then taken over one by
    one. Raises ValueError when it is of no kind: cloud-init would silently ignore it.
    """
    digest = hashlib.sha256(f"{user}\0{agent_part}".encode()).hexdigest()
    boundary = f"===nestproof-{digest[:32]}"
    head = f'Content-Type: multipart/mixed; boundary="{boundary}"\nMIME-Version: 1.0\n\n'
    parts = [*_user_parts(user), _part("nestproof-agent", "text/cloud-boothook", agent_part)]
    return b"".join(
        [head.encode(), *(b"--%b\n%b\n" % (boundary.encode(), part) for part in parts), b"--%b--\n" % boundary.encode()]
    )


def _user_parts(user: str | None) -> list[bytes]:
    if user is None or not user.strip():
        return []
    kind = kind_of(user)
    if kind == MIME:
        return _mime_parts(user)
    if kind:
        return [_part("user-data", kind, user)]
    first = user.lstrip().split("\n", 1)[0][:60]
    raise ValueError(
        f"user-data begins with {first!r}, which cloud-init ignores; cloud-config begins with #cloud-config"
    )


def _mime_parts(message: str) -> list[bytes]:
    """Those of a MIME message, as they are."""
    from email import message_from_string, policy  # late: few users write one, and it takes long to import
    from email.message import Message

    whole = message_from_string(message)
    parts = whole.get_payload() if whole.is_multipart() else [whole]
    as_is = policy.SMTP.clone(linesep="\n", max_line_length=None)
    return [part.as_bytes(policy=as_is) for part in parts if isinstance(part, Message)]


def _part(name: str, kind: str, text: str) -> bytes:
    """One part of a MIME message (RFC 2045): as it is where the text allows it, so that a person can read the seed;
    base64 keeps everything else intact."""
    plain = text.isascii() and "\r" not in text and max(map(len, text.split("\n"))) < 900
    head = (
        f'Content-Type: {kind}; charset="utf-8"\n'
        "MIME-Version: 1.0\n"
        f'Content-Disposition: attachment; filename="{name}"\n'
        f"Content-Transfer-Encoding: {'7bit' if plain else 'base64'}\n\n"
    )
    return head.encode() + (text.encode() if plain else base64.encodebytes(text.encode()))


def meta_data(namespace: str, name: str, user_data: bytes, own: str | None) -> bytes:
    """NoCloud meta-data. The instance-id follows the content, so that changed user-data is taken as a new instance.

    `own` is the user's meta-data (YAML); all keys of theirs but the instance-id stay. Raises ValueError for what is
    no mapping.
    """
    values: dict[str, object] = {"local-hostname": name}
    if own and own.strip():
        from ruamel.yaml import YAML  # late: few users write meta-data
        from ruamel.yaml.error import YAMLError

        try:
            theirs = YAML(typ="safe", pure=True).load(own)
        except YAMLError as e:
            raise ValueError(f"meta-data is not YAML: {' '.join(str(e).split())[:200]}") from e
        if not isinstance(theirs, dict):
            raise ValueError("meta-data is not a mapping")
        values |= theirs
    digest = hashlib.sha256(user_data + json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]
    values["instance-id"] = f"nestproof-{namespace}-{name}-{digest}"
    return (json.dumps(values, sort_keys=True, default=str) + "\n").encode()


def seed_iso(user_data: bytes, meta: bytes, network: bytes | None = None) -> bytes:
    """An ISO 9660 image with Joliet and Rock Ridge names, labelled as cloud-init's NoCloud wants it."""
    files = [("META_DATA.;1", "meta-data", meta), ("USER_DATA.;1", "user-data", user_data)]
    if network is not None:
        files.append(("NETWORK_CONFIG.;1", "network-config", network))
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, vol_ident=LABEL, joliet=3, rock_ridge="1.09")
    for short, name, data in files:
        iso.add_fp(io.BytesIO(data), len(data), f"/{short}", rr_name=name, joliet_path=f"/{name}", file_mode=0o100444)
    out = io.BytesIO()
    iso.write_fp(out)
    iso.close()
    return bytes(_without_time(bytearray(out.getvalue())))


def _without_time(image: bytearray) -> bytearray:
    """Set every date of the volume and of its root directories to one moment."""
    for sector in (16, 17):  # primary and Joliet volume descriptor (ECMA-119 8.4)
        start = sector * SECTOR
        if image[start + 1 : start + 6] != b"CD001" or image[start] == 255:
            continue
        image[start + 813 : start + 813 + 4 * 17] = VOLUME_DATE * 4
        image[start + 174 : start + 181] = DIRECTORY_DATE
        extent = int.from_bytes(image[start + 158 : start + 162], "little") * SECTOR
        size = int.from_bytes(image[start + 166 : start + 170], "little")
        _directory_without_time(image, extent, extent + size)
    return image


def _directory_without_time(image: bytearray, at: int, end: int) -> None:
    while at < end and (length := image[at]):
        image[at + 18 : at + 25] = DIRECTORY_DATE
        field = at + 33 + image[at + 32] + (image[at + 32] + 1) % 2  # Rock Ridge's fields follow the padded name
        while field + 4 <= at + length and image[field + 2] >= 4:
            if image[field : field + 2] == b"TF":
                stamps = (image[field + 2] - 5) // 7
                image[field + 5 : field + 5 + 7 * stamps] = DIRECTORY_DATE * stamps
            field += image[field + 2]
        at += length
