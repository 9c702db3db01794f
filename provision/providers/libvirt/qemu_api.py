"""libvirt's calls for QEMU alone: a module of their own, which a libvirt-python may have been built without."""

from provision.provider import ProviderError

try:
    import libvirt_qemu
except ImportError as e:
    raise ProviderError(
        f"libvirt-python here cannot speak to QEMU: {e}",
        hint="build it again where libvirt's own headers are: apt-get install libvirt-dev pkg-config gcc; "
        "pip install --force-reinstall --no-cache-dir libvirt-python",
    ) from e

__all__ = ["libvirt_qemu"]
