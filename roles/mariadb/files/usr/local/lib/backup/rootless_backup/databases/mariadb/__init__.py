# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""Every database of a MariaDB server is dumped into /backup/mariadb, restored, and proven to be what it was.

  system.sql           plugins, servers, functions and time zones that were installed: the first to restore
  databases/NAME.sql   a database, as SQL that makes it: tables with their rows as mariadb-dump writes them, then routines,
                       triggers, views and events, a statement in hex each; NAME is percent-encoded where it has to be
  users.sql            users, roles and their grants: the last to restore, since grants name tables and routines
  manifest.json        of the server its version, and for each file its database, size in bytes, SHA-256, the time it was
                       finished (UTC), where its parts begin, the properties of the database, of each table the number of
                       rows and a checksum of them, and of which other objects there is a statement

A dump is made beside the last good one and takes its place only when it is complete: a failure keeps the old one,
and makes the backup fail. After a run without a failure, dumps of databases that are gone are removed.

Each database is read in one transaction, which blocks nobody. Tables of engines without transactions (MyISAM, Aria) are
read one after another: each is consistent in itself but not with the others, and the program warns of them.

Environment: SETTINGS (JSON) with the keys account, socket, exclude and data_directories. The credential `password`
is the password of the account, if it has one. To restore and prove: BACKUP_DUMP, a directory that holds what was in
/backup/mariadb. To restore: BACKUP_REQUEST, a JSON file.
"""

from __future__ import annotations

from rootless_backup.databases.action import act

# What each way to call it does: a module, and a function that returns whether all of it succeeded.
ACTIONS = {(): ("dump", "dump_all"), ("restore",): ("restore", "restore"), ("prove",): ("prove", "prove")}


def main() -> None:
    act("backup-mariadb", __name__, ACTIONS)
