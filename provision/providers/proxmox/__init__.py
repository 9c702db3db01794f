"""Proxmox VE by its API alone, any node of a cluster: from a wanted VM to a running one and back."""
