import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';
import type { Release } from '../lab/root.ts';
import { manage, ownArchives } from './reader.ts';
import type { Reader } from './walk.ts';

/** A machine with something in PostgreSQL, MariaDB and homes, and a server for its repository: what the pages about both tell of. */
export interface Shop {
  readonly lab: Lab;
  readonly server: Host;
  host: Host;
}

/** The server, by the name that the pages give it. */
export const address = 'backup.example.org';

/** MariaDB as Debian's package makes it, empty. */
export const serve =
  'mariadb-install-db --user=mysql --skip-test-db --auth-root-authentication-method=socket > /dev/null && systemctl start mariadb';

/** What is in the databases `shop` of PostgreSQL and of MariaDB; the name of the database follows. */
export const items = "psql -XqAt -c 'SELECT count(*), sum(n) FROM item'";
export const stock = "mariadb -BN -e 'SELECT n FROM item'";

/**
 * Boots both, and has a playbook for the machine, backup.yml. Without a release on Debian 12, whose version of PostgreSQL the page about
 * restoring names.
 */
export async function openShop(debian: Release = 12): Promise<Shop> {
  const lab = await Lab.open();
  await lab.unpackCollection();
  const server = await lab.boot({ name: address, debian });
  await server.run('useradd --create-home --shell /bin/bash borg && install -d -o borg -m 700 ~borg/.ssh');
  const host = await lab.boot({ name: 'web1', debian });
  manage(lab, address);
  await host.run(serve);
  await host.run('mariadb -e "CREATE DATABASE shop; CREATE TABLE shop.item AS SELECT 7 AS n"');
  await host.run(['psql', '-Xq', '-f', '-'], {
    user: 'postgres',
    input: 'CREATE DATABASE shop; \\connect shop\nCREATE TABLE item AS SELECT n FROM generate_series(1, 1000) n;',
  });
  await host.run(
    "useradd --create-home alice; runuser -u alice -- bash -c 'mkdir ~/letters; echo report > ~/letters/report-1.odt'",
  );
  const roles = ['borg', 'postgres', 'mariadb'].map((role) => `rootless.backup.${role}`);
  writeFileSync(join(lab.directory, 'backup.yml'), JSON.stringify([{ hosts: 'all', become: true, roles }]));
  return { lab, server, host };
}

/** Who reads the pages there; `more` is what else only he knows. */
export const readerOf = (
  shop: () => Shop,
  rescue: () => Host,
  more: () => readonly (readonly [string, string])[],
): Reader => ({
  get lab() {
    return shop().lab;
  },
  machine: (machine) => (machine === 'rescue' ? rescue() : shop()[machine]),
  own: async () => [
    ...(await ownArchives(shop().host)),
    ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI…', shop().server.hostKey.split(' ').slice(0, 2).join(' ')],
    ...more(),
  ],
});
