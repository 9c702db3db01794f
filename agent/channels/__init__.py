"""Ways by which a report leaves the machine."""
