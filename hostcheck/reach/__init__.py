"""How to reach a host: what the user wrote, OpenSSH, inventories, and many hosts at once."""
