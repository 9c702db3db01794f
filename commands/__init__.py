"""The sub-commands: the only place that knows the judge, the builder and the printer together (docs/adr/0001)."""
