# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""What `backupctl` does itself."""
