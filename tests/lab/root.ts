import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './process.ts';

/** The releases that hosts are booted with. */
export const releases = [12, 13] as const;
export type Release = (typeof releases)[number];

const names: Record<Release, string> = { 12: 'bookworm', 13: 'trixie' };
const mirror = process.env['DEBIAN_MIRROR'] ?? 'http://deb.debian.org/debian';
const cache = process.env['ROOTLESS_BACKUP_CACHE'] ?? '/var/cache/rootless.backup';

const packages = [
  'acl', 'apt-utils', 'borgbackup', 'bsd-mailx', 'ca-certificates', 'dbus', 'iproute2', 'libcap2-bin', 'openssh-server', 'postfix',
  'postgresql', 'procps', 'python3', 'python3-apt', 'sudo', 'systemd', 'systemd-sysv', 'attr', 'zstd',
];

/** What is done in the fresh root. A host has no network, so all that a test installs is here already. */
const steps = `
# A little repository of its own, for tests that install Borg.
mkdir -p /var/local/debs && cd /var/local/debs
apt-get download -q=2 borgbackup
apt-ftparchive packages . > Packages
# Each host makes its own identity.
: > /etc/machine-id
rm -f /etc/ssh/ssh_host_* /etc/hostname
printf 'PermitRootLogin prohibit-password\\nUseDNS no\\nMaxStartups 100\\nHostKey /etc/ssh/ssh_host_ed25519_key\\n' > /etc/ssh/sshd_config.d/lab.conf
postconf -e inet_interfaces=loopback-only mydestination='$myhostname, localhost' default_transport=error
# What a container has no use for, or what would only make a test unsteady.
systemctl mask -q systemd-modules-load.service console-getty.service getty@.service apt-daily.timer apt-daily-upgrade.timer \\
  dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-networkd-wait-online.service
apt-get clean
`;

const recipe = (release: Release): string => `
set -o errexit -o nounset
debootstrap --variant=minbase --include=${packages.join(',')} ${names[release]} "$1" ${mirror}
chroot "$1" /bin/bash -e -c "$2"
`;

/**
 * A Debian root to boot hosts on, made once and kept in the cache.
 * @returns its path; nothing may write to it.
 */
export async function debianRoot(release: Release): Promise<string> {
  const script = recipe(release);
  const hash = createHash('sha256').update(script + steps).digest('hex').slice(0, 12);
  const root = join(cache, `debian-${release}-${hash}`);
  if (await exists(root)) return root;
  await mkdir(cache, { recursive: true });
  console.log(`Making a root of Debian ${release} in ${root} (about two minutes, only this once)`);
  // The lock is of the whole making, and the name is given at the end: what has the name is complete.
  const make = `[ -e "$1" ] && exit; rm -rf "$1.partial"; bash -c "$2" make "$1.partial" "$3" && mv "$1.partial" "$1"`;
  await run('flock', [join(cache, `debian-${release}.lock`), 'bash', '-c', make, 'make', root, script, steps], {
    timeoutSeconds: 1200,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
  });
  for (const name of await readdir(cache)) {
    if (name.startsWith(`debian-${release}-`) && !name.startsWith(`debian-${release}-${hash}`)) await rm(join(cache, name), { recursive: true });
  }
  return root;
}

const exists = (path: string): Promise<boolean> => stat(path).then(() => true, () => false);
