# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""The exit codes of `backupctl`. Each means one thing, for all of its commands."""

GOOD, FAILED, WRONG_USE, NOT_ALLOWED, INTERRUPTED = 0, 1, 2, 3, 130

MEANING = {
    GOOD: "It was done. For status: nothing is wrong.",
    FAILED: "It failed, or a part of it. For status: something is wrong.",
    WRONG_USE: "The command cannot be understood. Nothing was begun.",
    NOT_ALLOWED: "You may not do that. Nothing was begun.",
    INTERRUPTED: "You stopped it with Ctrl-C.",
}
