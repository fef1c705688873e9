import { createHash } from 'node:crypto';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './process.ts';

/** The releases that hosts are booted with. */
export const releases = [12, 13] as const;
export type Release = (typeof releases)[number];
/** What a host can be booted with: also what becomes the next release. */
export type Managed = Release | 'testing';

const names: Record<Managed, string> = { 12: 'bookworm', 13: 'trixie', testing: 'testing' };
const mirror = process.env['DEBIAN_MIRROR'] ?? 'http://deb.debian.org/debian';
const cache = process.env['ROOTLESS_BACKUP_CACHE'] ?? '/var/cache/rootless.backup';

const packages = [
  'acl',
  'apt-utils',
  'attr',
  'borgbackup',
  'bsd-mailx',
  'ca-certificates',
  'dbus',
  'iproute2',
  'libcap2-bin',
  'msmtp',
  'openssh-server',
  'postfix',
  'postgresql',
  'procps',
  'python3',
  'python3-apt',
  'sudo',
  'systemd',
  'systemd-sysv',
  'zstd',
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

/** Servers whose roles are tested on every release: off, and without their data, which a test makes (mariadb-install-db). */
const servers = ['mariadb-server'];
const serversOff = `
systemctl disable -q mariadb.service mariadb.socket
find /var/lib/mysql -mindepth 1 -delete
`;

const recipe = (release: Managed, packages: readonly string[], more = ''): string => `
set -o errexit -o nounset
debootstrap --variant=minbase --include=${packages.join(',')} ${names[release]} "$1" ${mirror}
${more}chroot "$1" /bin/bash -e -c "$2"
`;

/**
 * A Debian root to boot hosts on, made once and kept in the cache.
 * @returns its path; nothing may write to it.
 */
export function debianRoot(release: Managed): Promise<string> {
  // Of what becomes the next release only the core is asked for: a server may be missing there for weeks.
  return release === 'testing'
    ? makeRoot('debian-testing', recipe(release, packages), steps)
    : makeRoot(`debian-${release}`, recipe(release, [...packages, ...servers]), steps + serversOff);
}

/** Packages of a server that somebody runs, by the names that both releases have; they lie in the cache of apt, so a host needs no network. */
export const serverPackages = [
  'bind9',
  'cron',
  'dovecot-imapd',
  'git',
  'mosquitto',
  'nginx-light',
  'radicale',
  'redis-server',
  'samba',
  'sqlite3',
];

/**
 * A Debian root as that of `debianRoot`, with `serverPackages` to be installed without a network.
 * @returns its path; nothing may write to it.
 */
export function serverRoot(release: Release): Promise<string> {
  const download = `apt-get install -q=2 --yes --no-install-recommends --download-only ${serverPackages.join(' ')}\n`;
  return makeRoot(`server-${release}`, recipe(release, [...packages, ...servers]), steps + serversOff + download);
}

/**
 * A Debian root with the distribution's Ansible and what the collection needs of a control node; Debian 13's has the newest Ansible
 * in `/opt/ansible` too. Made once and kept in the cache.
 * @returns its path; nothing may write to it.
 */
export function controlRoot(release: Release): Promise<string> {
  return makeRoot(`control-${release}`, recipe(release, ['ca-certificates'], trust), ansible[release]);
}

/** The package index is reached by what this machine trusts. */
const trust = 'cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"\n';

// debootstrap does not find what stands in for another package, so it is left to apt.
const distributed = `
apt-get update -q=2
apt-get install -q=2 --yes --no-install-recommends ansible-core git nodejs openssh-client python3-venv
apt-get clean
`;

const ansible: Record<Release, string> = {
  12: distributed,
  13: `${distributed}python3 -m venv /opt/ansible\n/opt/ansible/bin/pip install --quiet 'ansible-core==2.21.*'\n`,
};

async function makeRoot(name: string, script: string, steps: string): Promise<string> {
  const hash = createHash('sha256')
    .update(script + steps)
    .digest('hex')
    .slice(0, 12);
  const root = join(cache, `${name}-${hash}`);
  if (await exists(root)) return root;
  await mkdir(cache, { recursive: true });
  console.log(`Making a root of ${name} in ${root} (about two minutes, only this once)`);
  // The lock is of the whole making, and the name is given at the end: what has the name is complete.
  // debootstrap mounts /proc in the root: in a mount namespace of its own, no killed making leaves it to the next `rm`.
  const make = [
    'unshare',
    '--mount',
    'bash',
    '-c',
    makeUnderLock,
    'make',
    root,
    script,
    steps,
    join(cache, `${name}-`),
  ];
  await run('flock', [join(cache, `${name}.lock`), ...make], {
    timeoutSeconds: 1200,
    env: {
      ...process.env,
      DEBIAN_FRONTEND: 'noninteractive',
      LC_ALL: 'C.UTF-8',
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    },
  });
  return root;
}

/** Makes the root `$1`, and removes those of the same release by other recipes unless a host runs on one. */
const makeUnderLock = `
set -o errexit
[ ! -e "$1" ] || exit 0
rm -rf --one-file-system "$4"*.partial
bash -c "$2" make "$1.partial" "$3"
mv -T "$1.partial" "$1"
for old in "$4"*; do
  # The mounts of the parent, flock: this shell sees none that is newer than its namespace.
  [ "$old" = "$1" ] || grep -qF "lowerdir=$old," "/proc/$PPID/mounts" || rm -rf --one-file-system "$old"
done
`;

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
