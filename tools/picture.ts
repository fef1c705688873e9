/**
 * `npm run picture`: renews docs/status.svg, `backupctl status` as a terminal shows it, and docs/fleet.png, the page of all machines, from
 * runs on throwaway hosts.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { Lab } from '../tests/lab/lab.ts';

// The sequences that set a colour, with its number.
const escapes = /\u001b\[(\d+)m/;
const xml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

const lab = await Lab.open();
await lab.installCollection();
const host = await lab.boot({ name: 'web1', debian: 13 });
await host.run(
  'useradd --system wiki; newaliases; systemctl restart postfix; mkdir -p /srv/wiki; head -c 20M /dev/urandom > /srv/wiki/data',
);
await host.run(
  'createdb shop; psql --quiet shop --command "CREATE TABLE orders AS SELECT n, md5(n::text) FROM generate_series(1, 100000) AS n"',
  { user: 'postgres' },
);
await lab.roles(['borg', 'postgres'], { backup_schedule: '02:30' });
const hook = {
  name: 'wiki',
  user: 'wiki',
  command: '/usr/bin/cp /srv/wiki/data /backup/wiki/data',
  read: ['/srv/wiki'],
};
await lab.playbook([{ hosts: 'all', gather_facts: false, tasks: [{ 'rootless.backup.hook': hook }] }]);
await host.run('systemctl start backup.service backup-check.service; sleep 3');
const { stdout } = await host.run('script --quiet --return --command "backupctl status" /dev/null');
await pictureFleet();
await lab.close();
writeFileSync('docs/status.svg', picture(stdout.replaceAll('\r', '').trimEnd().split('\n')));
console.log(stdout);

/** The page of this host and some more: one fails, one has no backup, one cannot be reached. */
async function pictureFleet(): Promise<void> {
  const names = ['db1', 'mail1', 'shop1', 'wiki1'];
  for (const name of [...names, 'new1']) await lab.boot({ name, debian: 12 });
  const backup = {
    'ansible.builtin.include_role': { name: 'rootless.backup.borg' },
    vars: { backup_mail_to: [], backup_paths: ['/etc', '/srv'] },
  };
  const full = {
    ...{ name: 'wiki', user: 'nobody' },
    script: '#!/bin/sh\necho "no space left on /srv/wiki" >&2\nexit 1\n',
  };
  await lab.playbook([{ hosts: names, gather_facts: false, tasks: [backup] }]);
  for (const host of lab.hosts.filter(({ name }) => names.includes(name)))
    await host.run(
      'for n in 4 9 5 7 6 3 8; do head -c ${n}M /dev/urandom >> /srv/data; systemctl start backup.service; done; systemctl start backup-check.service; sleep 2',
      { timeoutSeconds: 300 },
    );
  await lab.playbook([{ hosts: 'wiki1', gather_facts: false, tasks: [{ 'rootless.backup.hook': full }] }]);
  await lab.hosts
    .find(({ name }) => name === 'wiki1')
    // Its report is what the page shows.
    ?.run(
      'systemctl start backup.service; until grep -q exit-code /var/lib/backup-report/status.json; do sleep 0.2; done',
      { mayFail: true, timeoutSeconds: 120 },
    );
  const inventory = join(lab.directory, 'fleet-inventory');
  const groups =
    '[web]\nweb1\nshop1\nwiki1\n[databases]\ndb1\n[mail]\nmail1\n[spare]\nnew1\nattic1 ansible_host=10.77.0.250\n';
  writeFileSync(inventory, `${readFileSync(join(lab.directory, 'inventory'), 'utf8')}${groups}`);
  await lab.run(join(lab.collection, 'playbooks/fleet.yml'), { args: ['-i', inventory, '-e', 'fleet_fail=false'] });
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  await page.goto(`file://${join(lab.directory, 'backup-fleet/fleet.html')}`);
  await page.getByRole('button', { name: 'wiki1', exact: true }).click();
  await page.locator('.detail').waitFor();
  await page.screenshot({ path: 'docs/fleet.png' });
  await browser.close();
}

/** A terminal with these lines; of colours, those that `backupctl` uses. */
function picture(lines: readonly string[]): string {
  const [width, height, left, top] = [8.4, 19, 16, 40];
  const colours: Readonly<Record<string, string>> = {
    1: 'font-weight="bold" fill="#ffffff"',
    31: 'fill="#ff7b72"',
    32: 'fill="#7ee787"',
    33: 'fill="#e3b341"',
  };
  const columns = Math.max(
    ...lines.map(
      (line) =>
        line
          .split(escapes)
          .filter((_, index) => index % 2 === 0)
          .join('').length,
    ),
  );
  const text = lines.map((line, row) => {
    const parts = line
      .split(escapes)
      .map((part, index, all) =>
        index % 2 === 1 ? '' : `<tspan ${colours[all[index - 1] ?? ''] ?? ''}>${xml(part)}</tspan>`,
      );
    return `<text x="${left}" y="${top + row * height}" xml:space="preserve">${parts
      .join('')
      .replaceAll(/<tspan [^>]*><\/tspan>/g, '')
      .replaceAll('<tspan >', '<tspan>')}</text>`;
  });
  const size = `${Math.ceil(2 * left + columns * width)} ${top + lines.length * height}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size}" font-family="ui-monospace, DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" fill="#c9d1d9">
<title>backupctl status</title>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<circle cx="18" cy="16" r="5" fill="#ff5f56"/><circle cx="36" cy="16" r="5" fill="#ffbd2e"/><circle cx="54" cy="16" r="5" fill="#27c93f"/>
${text.join('\n')}
</svg>
`;
}
