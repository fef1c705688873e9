# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""Where the drill lays things down, and for whom."""

STATE = "/var/lib/backup-drill"
STAGED = STATE + "/staged"
# What `stage` tells `judge`: whether anything was wrong, and which hooks are to be proven.
FOUND = STATE + "/found.json"
# How each hook's dump is proven.
PROOFS = "/etc/backup/prove.d"
# What the proofs said. Of root, who opens the files there for them: in a directory of borg a link could lead systemd elsewhere.
TOLD = "/var/lib/backup-told"
# How many parts there are of what was restored of a hook: borg writes it, and root, who has no capability here, reads it.
PARTS = "/run/backup-drill"
# What a proof sees of STAGED: that of its hook, or a part of it.
SEEN = "/var/lib/backup-prove"
# What they were prepared with: of each hook a directory, which only its preparation writes to.
PREPARED = "/var/cache/backup-prove"
