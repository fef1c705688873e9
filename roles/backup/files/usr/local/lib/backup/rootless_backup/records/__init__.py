# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What is written down for others to read, and its form: the only place that knows it."""
