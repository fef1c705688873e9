# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""How files and dumps come back."""
