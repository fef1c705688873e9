# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""How the administrator is told how backups go."""
