# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What of a lost machine comes back into `/etc` and `/var`, and what is the new one's own.

It is decided for rows: each of them is the highest directory, or file, of which one and the same can be said.
"""

from __future__ import annotations

import fnmatch
import os
import re

from rootless_backup import host, paths, untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from rootless_backup.restore.dpkg import Packages

# What is in these has rows of its own.
DIVIDED = re.compile(
    r"/|/etc|/etc/(?:default|ssh|ssl|sysusers\.d|systemd|systemd/system|systemd/system/[^/]+\.(?:wants|requires)|tmpfiles\.d)"
    r"|/var|/var/(?:lib|spool)"
)
TREES = "/etc", "/var"
OF_BACKUP = "of the backup itself: its roles lay it down"
OF_DISKS = "the disks and the boot of the new machine"
OF_NETWORK = "the name and the network of the new machine"
OF_PACKAGES = "the packages of the new machine; see backupctl restore-packages"
OF_ACCOUNTS = "the accounts of the new machine; those of the old one come back by name"
OF_ACCESS = "who is let in, and who may become root"
OF_LOGS = "what the old machine logged, and old copies of its lists"
OF_IMAGES = "layers of images are in no archive; the volumes come by themselves"
OF_SYSTEM = "the state of the new system itself"
OF_RUNNING = "a database server runs on with its own settings; its databases come by backupctl restore-db"
# The first that matches counts; an empty reason: it comes back, whoever it is of.
REASONS = (
    (
        OF_BACKUP,
        """
        /etc/backup /etc/credstore /etc/systemd/system/backup.* /etc/systemd/system/backup-* /etc/systemd/system/borg-*
        /etc/systemd/system/*/backup.* /etc/systemd/system/*/backup-* /etc/systemd/system/*/borg-* /etc/sysusers.d/rootless-backup.conf
        /etc/tmpfiles.d/rootless-backup.conf /etc/tmpfiles.d/backup-* /etc/tmpfiles.d/borg.conf /var/lib/borg /var/lib/backup-*
        /var/lib/rootless.backup /var/cache/borg */.backup-kept-*
        """,
    ),
    (
        OF_DISKS,
        """
        /etc/systemd/system/*.mount /etc/systemd/system/*.automount /etc/systemd/system/*.swap /etc/systemd/system/*.target
        /etc/systemd/system/*/*.mount /etc/systemd/system/*/*.automount /etc/systemd/system/*/*.swap
        """,
    ),
    (
        OF_NETWORK,
        """
        /etc/systemd/system/networking* /etc/systemd/system/*/networking* /etc/systemd/system/systemd-* /etc/systemd/system/*/systemd-*
        /etc/systemd/system/NetworkManager* /etc/systemd/system/*/NetworkManager* /etc/hosts.allow /etc/hosts.deny /etc/ufw /etc/firewalld
        /etc/iptables /etc/shorewall* /etc/nftables.conf
        """,
    ),
    (OF_ACCESS, "/etc/nologin /etc/systemd/system/ssh* /etc/systemd/system/*/ssh*"),
    ("", "/etc/cron* /etc/anacrontab /etc/aliases* /etc/mailname /etc/ssl/certs /etc/ssl/private /etc/systemd/system/*"),
    (OF_ACCOUNTS, "/etc/passwd* /etc/group* /etc/shadow* /etc/gshadow* /etc/subuid* /etc/subgid* /etc/.pwd.lock"),
    (
        OF_DISKS,
        """
        /etc/fstab* /etc/crypttab /etc/mtab /etc/mdadm /etc/lvm /etc/multipath* /etc/iscsi /etc/initramfs-tools /etc/kernel* /etc/grub.d
        /etc/default/grub* /etc/modprobe.d /etc/modules* /etc/udev /var/lib/initramfs-tools /var/lib/grub /var/lib/os-prober /var/lib/dkms
        """,
    ),
    (
        OF_NETWORK,
        """
        /etc/machine-id /etc/hostname /etc/hosts /etc/network* /etc/netplan /etc/NetworkManager /etc/resolv* /etc/dhcp* /etc/wpa_supplicant
        /etc/cloud /var/lib/dhcp* /var/lib/NetworkManager /var/lib/dbus /var/lib/cloud
        """,
    ),
    (
        OF_PACKAGES,
        """
        /etc/apt /etc/dpkg /etc/alternatives /etc/ucf.conf /etc/debian_version /etc/os-release /etc/issue* /etc/ld.so* /etc/init.d
        /etc/rc?.d /etc/perl /etc/python* /etc/ca-certificates* /etc/ssl/openssl.cnf /etc/.updated /var/.updated /var/lib/apt
        /var/lib/aptitude /var/lib/dpkg /var/lib/ucf /var/lib/pam /var/lib/python* /var/lib/shells.state /var/lib/command-not-found
        /var/lib/PackageKit /var/lib/unattended-upgrades /var/lib/update-* /var/lib/swcatalog /var/lib/sgml-base /var/lib/xml-core
        /var/lib/emacsen-common /var/lib/dictionaries-common
        """,
    ),
    (OF_ACCESS, "/etc/ssh /etc/ssh/* /etc/sudo* /etc/pam.* /etc/security /etc/polkit-1 /etc/securetty"),
    (OF_IMAGES, "/var/lib/docker /var/lib/containers /var/lib/containerd"),
    (OF_LOGS, "/var/log /var/backups"),
    (
        OF_SYSTEM,
        """
        /var/lib/systemd /var/lib/polkit-1 /var/lib/misc /var/lib/sudo /var/lib/vim /var/lib/man-db /var/lib/usbutils /var/lib/udisks2
        /var/lib/upower /var/lib/plocate /var/lib/mlocate /var/lib/logrotate /var/cache /var/tmp /var/lock /var/run
        """,
    ),
)
RULES = tuple((pattern, why) for why, patterns in REASONS for pattern in patterns.split())
HOST_KEYS = "/etc/ssh/ssh_host_*"
# Of a server that runs on while its hook loads what was dumped.
SERVERS = {"postgresql": ("/etc/postgresql*", "/var/lib/postgresql"), "mariadb": ("/etc/mysql", "/var/lib/mysql")}


def row_of(path: str) -> str:
    """The row that an absolute path is of."""
    row = "/"
    for part in path.split("/"):
        if part:
            row = os.path.join(row, part)
            if not DIVIDED.fullmatch(row):
                break
    return row


def hooks() -> dict[str, str]:
    """What hooks bring back by themselves: a regular expression of each, and the name of the hook."""
    patterns = {}
    for name in sorted(os.listdir(host.EXCLUDES)) if os.path.isdir(host.EXCLUDES) else ():
        for pattern in SERVERS.get(name, ()):
            patterns[fnmatch.translate(pattern)] = name
        with open(os.path.join(host.EXCLUDES, name), encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                if line.startswith("/"):
                    patterns[paths.shell_pattern(line.rstrip("\n"))] = name
    return patterns


class Belonging:
    """Whose rows are.

    `etc`: what of /etc comes back, in place of what is said here, as shell patterns. `former`: gives the packages of the lost machine,
    None if nobody knows; it is asked only if that is of use.
    """

    def __init__(
        self, rows: Collection[str], packages: Packages, former: Callable[[], Packages | None], etc: Collection[str] | None, host_keys: bool
    ) -> None:
        self.packages, self.etc, self.host_keys = packages, etc, host_keys
        self.hooks = [(re.compile(pattern, re.DOTALL), name) for pattern, name in hooks().items()]
        self.owners = packages.owners(rows)
        nobody = [row for row in rows if row not in self.owners and not os.path.lexists(row)]
        self.former = former() if nobody else None
        self.were = self.former.owners(nobody) if self.former else {}

    def why_left(self, row: str) -> str:
        """Why a row does not come back; nothing: it does."""
        if self.host_keys and fnmatch.fnmatchcase(row, HOST_KEYS):
            return ""
        first = next(((pattern, why) for pattern, why in RULES if fnmatch.fnmatchcase(row, pattern)), None)
        if first is not None and first[1] == OF_BACKUP:
            return OF_BACKUP
        hook = next((name for pattern, name in self.hooks if pattern.fullmatch(row)), "")
        if hook:
            return (
                "%s: backupctl restore-db --all %s" % (OF_RUNNING, hook) if hook in SERVERS else "comes by backupctl restore-db %s" % hook
            )
        if self.etc is not None and row.startswith("/etc/"):
            chosen = any(fnmatch.fnmatchcase(row, pattern) or paths.is_below(row, pattern) for pattern in self.etc)
            return "" if chosen else "not among what is taken over of /etc"
        if first is not None:
            return first[1]
        return self.by_package(row)

    def by_package(self, row: str) -> str:
        owners = self.owners.get(row, set())
        base = sorted(name for name in owners if name in self.packages.installed and self.packages.installed[name].is_base)
        if base and row.startswith("/etc/"):
            return "of package %s, which each Debian has" % base[0]
        lacking = sorted(self.were.get(row, set()) - self.packages.installed.keys())
        if lacking and not self.were[row] & self.packages.installed.keys():
            return "of package %s, which is not installed; see backupctl restore-packages" % untrusted.printable(lacking[0])
        return ""
