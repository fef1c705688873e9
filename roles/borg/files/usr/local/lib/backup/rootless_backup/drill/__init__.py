# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""The drill: the backups are proven by restoring them.

Of each repository the newest archives, and in turn an older pair. What is wrong is told and does not keep the rest from being proven.
"""
