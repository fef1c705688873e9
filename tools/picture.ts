/**
 * `npm run picture`: renews docs/status.svg, `backupctl status` as a terminal shows it, from a run on a throwaway host.
 */
import { writeFileSync } from 'node:fs';
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
await lab.close();
writeFileSync('docs/status.svg', picture(stdout.replaceAll('\r', '').trimEnd().split('\n')));
console.log(stdout);

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
