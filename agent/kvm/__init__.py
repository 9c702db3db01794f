"""The kernel side of virtualization: modules, the device, and what it offers to guests."""
