/**
 * `npm run demo [-- --debian 13]`: a real host backs itself up without root and gives everything back, before your eyes.
 */
import { Lab } from '../tests/lab/lab.ts';
import { debianRoot, releases, type Release } from '../tests/lab/root.ts';
import type { Host } from '../tests/lab/host.ts';

const begun = Date.now();
const say = (text: string): void =>
  console.log(`\n\u001b[1m[${((Date.now() - begun) / 1000).toFixed(0).padStart(3)} s] ${text}\u001b[0m`);
const show = (text: string): void => console.log(text.trimEnd().replaceAll(/^/gm, '    '));

function release(): Release {
  const at = process.argv.indexOf('--debian');
  if (at < 0) return 12;
  const given = Number(process.argv[at + 1]);
  const found = releases.find((each) => each === given);
  if (found === undefined) {
    console.error(`--debian: ${process.argv[at + 1] ?? 'its value'} is not allowed. Use ${releases.join(' or ')}.`);
    process.exit(2);
  }
  return found;
}

/** Files of several users, and a database: what a server would have. */
async function fill(host: Host): Promise<void> {
  await host.run(`
    useradd --create-home alice; useradd --create-home bob
    mkdir -p /srv/wiki && cd /srv/wiki
    for i in {1..500}; do echo "page $i $RANDOM" > "page $i"; done
    install -o alice -m 600 /dev/stdin private <<< 'only alice reads this'
    install -d -o bob -m 700 closed && install -o bob -m 400 /dev/stdin closed/within <<< 'only bob reads this'
    echo acl > acl && setfacl -m u:alice:rw acl
    cp /bin/true capable && setcap cap_net_raw+ep capable
    ln 'page 1' linked && ln -s private link`);
  await host.run(['psql', '-Xq', '-f', '-'], {
    user: 'postgres',
    input: `CREATE ROLE shop LOGIN PASSWORD 'sold'; CREATE DATABASE "my shop" OWNER shop;
      \\connect "my shop"
      CREATE TABLE orders AS SELECT n, md5(n::text) AS item, n * 3 % 100 AS price FROM generate_series(1, 50000) n;`,
  });
}

const listing = (top: string): string =>
  `cd ${top} && find . -print0 | sort -z | xargs -0 stat -c '%n %F %a %U %G %s %y' && find . -type f -print0 | sort -z | xargs -0 sha256sum && find . ! -type l -print0 | sort -z | xargs -0 getfacl -p && find . -print0 | sort -z | xargs -0 getcap`;
const orders = 'SELECT count(*), sum(price), md5(string_agg(item, NULL ORDER BY n)) FROM orders';

function compare(what: string, original: string, restored: string): void {
  if (original !== restored || original.trim() === '')
    throw new Error(`${what} did not come back equal:\n${original}\n--- restored:\n${restored}`);
  show(`${what}: equal (${original.split('\n').length} lines compared)`);
}

async function demo(debian: Release): Promise<void> {
  say(`A root of Debian ${debian}`);
  show(await debianRoot(debian));
  const lab = await Lab.open();
  try {
    say('The collection: build the tarball, install it by ansible-galaxy');
    await lab.installCollection();
    say('Boot a throwaway host with PostgreSQL, and fill it');
    const host = await lab.boot({ name: 'demo', debian });
    await fill(host);
    show(
      (await host.run('. /etc/os-release; echo "$PRETTY_NAME, $(systemctl --version | head -1), $(borg --version)"'))
        .stdout,
    );

    say('Apply the roles borg and postgres with their defaults');
    const { stdout } = await lab.roles(['borg', 'postgres']);
    show(stdout.slice(stdout.indexOf('PLAY RECAP')));

    say('systemctl start backup.service');
    await host.run('systemctl start backup.service');
    show(`${await host.journal('backup-postgresql.service')}${await host.journal('backup.service')}`);

    say('backup-borg list');
    show((await host.run('backup-borg list')).stdout);
    const archives = (await host.run('backup-borg list --short')).stdout.split('\n');
    const newest = (series: string): string => archives.filter((name) => name.includes(`-${series}-`)).at(-1) ?? '';

    say('Restore a tree and compare it with the original');
    await host.run(`backup-borg --into /restored extract ::${newest('files')} srv/wiki`);
    compare(
      '/srv/wiki',
      (await host.run(listing('/srv/wiki'))).stdout,
      (await host.run(listing('/restored/srv/wiki'))).stdout,
    );

    say('Restore a database and compare it with the original');
    const dump = (await host.run('cd / && ls backup/postgresql/*/my*shop.dump')).stdout.trim();
    await host.run(
      `runuser -u postgres -- createdb restored && backup-borg extract --stdout ::${newest('dumps')} ${dump} | runuser -u postgres -- pg_restore --exit-on-error --dbname restored`,
    );
    const query = (database: string): Promise<string> =>
      host
        .run(['psql', '-XqAt', '--dbname', database, '-c', orders], { user: 'postgres' })
        .then((result) => result.stdout);
    compare('Database "my shop"', await query('my shop'), await query('restored'));

    say('Who ran it, and how exposed it is');
    show(
      (
        await host.run(
          'systemctl show --property=User,AmbientCapabilities,CapabilityBoundingSet,NoNewPrivileges backup.service',
        )
      ).stdout,
    );
    for (const unit of ['backup.service', 'backup-postgresql.service'])
      show(
        (await host.run(['systemd-analyze', 'security', '--no-pager', unit])).stdout.trim().split('\n').at(-1) ?? '',
      );
    show((await host.run('ls -l /backup.last')).stdout);
  } finally {
    say('Take the host down');
    await lab.close();
  }
  say('Everything came back.');
}

await demo(release());
