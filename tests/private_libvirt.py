"""The world of a libvirtd that leaves this machine's alone: empty directories in a mount namespace, QEMU as root."""

WORLD = r"""
for place in /run /var/lib /var/log /var/cache /etc/libvirt; do mount -t tmpfs none $place; done
mkdir /run/lock /run/libvirt
cat >/etc/libvirt/qemu.conf <<END
user = "root"
group = "root"
security_driver = "none"
swtpm_user = "root"
swtpm_group = "root"
cgroup_controllers = [$controllers]
namespaces = []
stdio_handler = "file"
END
"""
"""Shell, below `unshare --mount`. $controllers are the cgroups that VMs get, in quotes with commas; unset: none."""
