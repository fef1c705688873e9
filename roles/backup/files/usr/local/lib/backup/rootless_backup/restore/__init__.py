# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""How files and dumps come back."""
