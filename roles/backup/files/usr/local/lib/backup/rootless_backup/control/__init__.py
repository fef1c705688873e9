# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What `backupctl` does itself."""
