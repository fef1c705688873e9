import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { files } from '../../../src/emit/files.ts';
import { mark } from '../../../src/emit/generated.ts';
import { managedBy } from '../../../src/render/header.ts';
import * as host from '../../../src/schema/host.ts';
import { hookDirectory } from '../../../src/units/hook.ts';

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const generated = files(version).map(({ path }) => path);

describe.each(['backup', 'borg', 'postgres'])('the templates of role %s that are written by hand', (role) => {
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
      .map((line) => line.replaceAll(/\{\{ | \}\}/g, '').split(' ')[1] ?? '');
  const named = ['drill_state', 'drill_told', 'report_state', 'restore_state', 'request_directory'].map(
    (name) => `_backup_host.${name}`,
  );
  expect(made('backup', 'rootless-backup')).toEqual(
    expect.arrayContaining([...named, '_backup_host.request_directory/task']),
  );
  expect(made('postgres', 'backup-postgresql')).toContain(hookDirectory('postgresql'));
});

it('what the hand-written files of a role say of a host is known', () => {
  const known = new Set(
    Object.keys(host).map((name) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)),
  );
  const below = (top: string): string[] =>
    readdirSync(top, { recursive: true, encoding: 'utf8' }).map((name) => join(top, name));
  const files = ['backup', 'borg'].flatMap((role) => below(`roles/${role}`));
  const said = files
    .filter((path) => /\.(?:j2|yml)$/.test(path))
    .flatMap((path) => [...readFileSync(path, 'utf8').matchAll(/_backup_host\.(\w+)/g)].map(([, name]) => name));
  expect(said.length).toBeGreaterThan(20);
  for (const name of said) expect(known).toContain(name);
});
