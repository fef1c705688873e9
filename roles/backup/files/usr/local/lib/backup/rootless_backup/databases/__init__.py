# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Hooks that dump databases: what they share, and a module or package for each kind."""
