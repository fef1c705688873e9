# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""A server that keeps the repositories of other machines: whom it lets in."""
