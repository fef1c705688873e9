# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""Borg, as the engine of the backup; see `engine` in the package above for what that is. `call` alone starts Borg."""
