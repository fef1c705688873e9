import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { files } from '../../../src/emit/files.ts';
import { mark } from '../../../src/emit/generated.ts';
import { managedBy } from '../../../src/render/header.ts';
import { drillState, drillTold, hookDirectory, restoreDirectory } from '../../../src/units/hook.ts';
import { reportState } from '../../../src/units/report.ts';
import { requestable, requestDirectory } from '../../../src/units/request.ts';

const generated = files(readFileSync('README.md', 'utf8')).map(({ path }) => path);

describe.each(['borg', 'postgres'])('the templates of role %s that are written by hand', (role) => {
  const top = `roles/${role}/templates`;
  const paths = readdirSync(top, { recursive: true, encoding: 'utf8' })
    .map((name) => join(top, name))
    .filter((path) => path.endsWith('.j2'));
  const byHand = paths.filter((path) => !generated.includes(path));

  it('are there, and are none that the build would take away', () => {
    expect(byHand.length).toBeGreaterThan(1);
    for (const path of byHand)
      expect([path, readFileSync(path, 'utf8')]).toEqual([path, expect.not.stringContaining(mark)]);
  });

  it('hold no unit, and say whose they are', () => {
    for (const path of byHand) {
      expect(path).not.toMatch(/\/systemd\//);
      // A credential holds nothing but the secret.
      if (!path.includes('/credstore/'))
        expect([path, readFileSync(path, 'utf8')]).toEqual([
          path,
          expect.stringContaining(`# ${managedBy(`role ${role}`)}\n`),
        ]);
    }
  });
});

it('tmpfiles.d makes the directories and pipes that the units name', () => {
  const made = (role: string, name: string): string[] =>
    readFileSync(`roles/${role}/templates/etc/tmpfiles.d/${name}.conf.j2`, 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '');
  const named = [
    drillState,
    drillTold,
    reportState,
    requestDirectory,
    ...requestable.map((name) => `${requestDirectory}/${name}`),
    join(restoreDirectory('x'), '..'),
  ];
  expect(made('borg', 'borg')).toEqual(expect.arrayContaining(named));
  expect(made('postgres', 'backup-postgresql')).toContain(hookDirectory('postgresql'));
});
