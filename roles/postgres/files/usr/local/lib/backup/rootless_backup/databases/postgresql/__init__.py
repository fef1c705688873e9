# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""Every database of every PostgreSQL cluster is dumped into /backup/postgresql, restored, and proven to be what it was.

  CLUSTER/NAME.dump       a database in the uncompressed custom format; NAME is percent-encoded where it has to be
  CLUSTER/globals.sql     roles and tablespaces
  CLUSTER/manifest.json   of the server its version, and for each file its database, size in bytes, SHA-256, the time it was
                          finished (UTC), the properties of the database, and what the dump itself says is in it: of each table
                          the columns, the number of rows and a checksum of them, the sequences, the large objects, and how many
                          there are of other things

A dump is made beside the last good one and takes its place only when it is complete: a failure keeps the old one,
and makes the backup fail. So does a dump that lacks a table, which is kept all the same. What cannot be recorded of a dump is a
warning: the drill will say that it is not proven. After a run without a failure, dumps of databases that are gone are removed.
"""

from __future__ import annotations

from rootless_backup.databases.action import act

# What each way to call it does: a module, and a function that returns whether all of it succeeded.
ACTIONS = {
    (): ("dump", "dump_all"),
    ("restore",): ("restore", "restore"),
    ("prepare",): ("throwaway", "prepare"),
    ("prove",): ("prove", "prove"),
}


def main() -> None:
    act("backup-postgresql", __name__, ACTIONS)
