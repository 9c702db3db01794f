"""The builder: manifests in, virtual machines with proven nesting out."""
