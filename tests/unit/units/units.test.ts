import { describe, expect, it } from 'vitest';
import { backupTemplateSettings, backupUnits } from '../../../src/units/backup.ts';
import { borgTemplateSettings, borgUnits } from '../../../src/units/borg.ts';
import { renderUnit, type Unit } from '../../../src/render/unit.ts';
import { account, cache, state, rest, tasks, unitDirectory } from '../../../src/schema/host.ts';
import { hookService, hookDropIn } from '../../../src/units/hook.ts';
import { postgresTemplateSettings, postgresUnits } from '../../../src/units/postgres.ts';
import { repositoryTemplateSettings, repositoryUnits } from '../../../src/units/repository.ts';

const directives = (unit: Unit): Map<string, string[]> => {
  const found = new Map<string, string[]>();
  for (const { name, value } of unit.sections.flatMap((section) => section.directives))
    found.set(name, [...(found.get(name) ?? []), value]);
  return found;
};
const frame = backupUnits(backupTemplateSettings);
const server = repositoryUnits(repositoryTemplateSettings);
const all = [...frame, ...borgUnits(borgTemplateSettings), ...postgresUnits(postgresTemplateSettings), ...server];
const named = (name: string): Unit => {
  const unit = all.find(({ path }) => path.endsWith(`/${name}`));
  if (unit === undefined) throw new Error(`there is no ${name}`);
  return unit;
};

describe('every service', () => {
  const services = all.filter(({ path }) => /[^/]+\.service$/.test(path));
  it.each(services.map((unit) => [unit.path, unit] as const))(
    '%s is sandboxed, may be tried again at once and, unless somebody waits for it or it ends itself, is limited in time',
    (_, unit) => {
      const has = directives(unit);
      const limit = has.get('TimeoutStartSec') ?? [];
      expect(limit.length).toBe(1);
      expect(limit[0] === 'infinity').toBe(/-restore\.service$|\/repository-check\.service$/.test(unit.path));
      // Who tries again after a failure is not told to wait.
      expect(has.get('StartLimitIntervalSec')).toEqual(['0']);
      expect(has.get('NoNewPrivileges')).toEqual(['true']);
      expect(has.get('ProtectSystem')).toEqual(['strict']);
      expect(has.get('NoExecPaths')?.[0]).not.toMatch(/^\/ | \/ /);
      expect(has.has('ExecPaths')).toBe(false);
    },
  );
});

describe('a hook', () => {
  const hook = {
    name: 'wiki',
    description: 'Wiki 100%',
    user: 'wiki',
    command: ['/usr/bin/dump', 'a b', '$HOME'],
    environment: { KEY: 'x y' },
    timeLimit: '5min',
  };
  const service = hookService(hook);
  it('never removes the IPC objects of its user, who may be a daemon', () =>
    expect(directives(service).has('RemoveIPC')).toBe(false));
  it('holds no capability and sees of /backup only its own directory', () => {
    const has = directives(service);
    expect(has.get('CapabilityBoundingSet')).toEqual(['']);
    expect(has.get('TemporaryFileSystem')).toEqual(['/backup:ro /srv:ro /mnt:ro /media:ro']);
    expect(has.get('BindPaths')).toEqual(['/backup/wiki']);
  });
  it('quotes its values', () => {
    expect(directives(service).get('ExecStart')).toEqual(['/usr/bin/dump "a b" "$$HOME"']);
    expect(directives(service).get('Environment')).toEqual(['"KEY=x y"']);
    expect(directives(service).get('Description')).toEqual(['Wiki 100%%']);
  });
  it('ends with the backup and is run anew for each', () => {
    expect(directives(service).get('PartOf')).toEqual(['backup.service']);
    expect(directives(service).get('StopWhenUnneeded')).toEqual(['true']);
    expect(directives(service).get('RemainAfterExit')).toEqual(['true']);
  });
  it('is wanted and joined by its drop-in', () => {
    const has = directives(hookDropIn(hook));
    expect(has.get('Wants')).toEqual(['backup-wiki.service']);
    expect(has.get('ExecStartPre')).toEqual(['!/bin/systemctl start backup-wiki.service']);
  });
});

describe('the backup', () => {
  it('holds exactly the capability to read everything', () => {
    expect(directives(named('backup.service')).get('AmbientCapabilities')).toEqual(['CAP_DAC_READ_SEARCH']);
    expect(directives(named('backup.service')).get('CapabilityBoundingSet')).toEqual(['CAP_DAC_READ_SEARCH']);
  });
  it('sees the homes and the users', () => {
    expect(directives(named('backup.service')).get('ProtectHome')).toEqual(['read-only']);
    expect(directives(named('backup.service')).has('PrivateUsers')).toBe(false);
  });
  it('says nothing of what runs in its frame', () =>
    expect(directives(named('backup.service')).has('ExecStart')).toBe(false));
  it('is marked as done by the drop-in that sorts last', () => {
    const dropIns = all
      .map(({ path }) => path)
      .filter((path) => path.includes('backup.service.d/'))
      .sort();
    expect(dropIns.at(-1)).toMatch(/zz-last\.conf$/);
  });
});

it('the same input gives the same units, and is not changed', () => {
  const settings = Object.freeze({ ...backupTemplateSettings });
  expect(backupUnits(settings)).toEqual(backupUnits(settings));
});

describe('the frame', () => {
  it('has no network, and knows the account but no engine', () => {
    const texts = frame.map((unit) =>
      renderUnit(unit, '').replaceAll(
        new RegExp(`(?:User|Group|StateDirectory)=${account}$|${state}|${cache}`, 'gm'),
        '',
      ),
    );
    for (const text of texts) expect(text).not.toMatch(/borg/i);
    for (const name of Object.values(tasks))
      expect(directives(named(`${name}.service`)).get('PrivateNetwork')).toEqual(['true']);
  });
  it('has drop-ins of the engine in each unit that opens repositories', () => {
    const paths = all.map(({ path }) => path.replace(`${unitDirectory}/`, ''));
    expect(paths.filter((path) => path.endsWith('/00-borg.conf')).sort()).toEqual(
      [...Object.values(tasks), rest, 'backup-stage@'].map((name) => `${name}.service.d/00-borg.conf`).sort(),
    );
  });
});
