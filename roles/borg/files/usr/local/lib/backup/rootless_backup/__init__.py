# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""What the programs of the backup on this host are made of: a module a noun.

They put /usr/local/lib/backup on `sys.path` and import what they need; what only some calls need is imported where it is needed. The
modules are compiled when they are laid down.
"""
