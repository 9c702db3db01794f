"""vSphere by pyvmomi: VMs of a vCenter or an ESXi host, and what its API says of hosts. `provider` is the way in."""
