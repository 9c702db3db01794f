"""Reads the manifests of a user into wanted VMs, with every fault at its line and column.

`resolve.resolve(documents.load(paths))`. This package imports none of its modules: what a wanted VM refers to is
understood without them, by a process that only takes the VM over.
"""
