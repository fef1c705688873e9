import { expect, it } from 'vitest';
import { hostileHooks, type HostileHook } from '../hostile-hooks.ts';
import { plan, problems } from '../planner.ts';
import { onEachRelease } from './fixture.ts';

/** Reads a unit back by systemd itself, over D-Bus, where a list is a list. */
const reader = `import json, subprocess, sys
names = ["ExecStart", "Environment", "BindPaths", "BindReadOnlyPaths", "User", "After", "LoadCredential", "MemoryDenyWriteExecute", "PrivateUsers", "UMask"]
path = lambda name: "/org/freedesktop/systemd1/unit/" + "".join(c if c.isalnum() else "_%02x" % ord(c) for c in name)
for unit in sys.stdin.read().split():
    interface = "org.freedesktop.systemd1."
    out = subprocess.run(["busctl", "--json=short", "get-property", "org.freedesktop.systemd1", path(unit), interface + "Service", *[n for n in names if n != "After"]],
        stdout=subprocess.PIPE, check=True).stdout
    after = subprocess.run(["busctl", "--json=short", "get-property", "org.freedesktop.systemd1", path(unit), interface + "Unit", "After"], stdout=subprocess.PIPE, check=True).stdout
    values = [json.loads(line)["data"] for line in (out + after).splitlines()]
    print(json.dumps(dict(zip([*[n for n in names if n != "After"], "After"], values))))
`;

interface ReadBack {
  ExecStart: [path: string, argv: string[]][];
  Environment: string[];
  BindPaths: [string, string][];
  BindReadOnlyPaths: [string, string][];
  User: string;
  After: string[];
  LoadCredential: [string, string][];
  MemoryDenyWriteExecute: boolean;
  PrivateUsers: boolean;
  UMask: number;
}

/** The acceptable ones, each under a name of its own. */
const hooks: HostileHook[] = [...hostileHooks(5000)]
  .filter((options) => problems(options).length === 0)
  .map((options, index) => ({ ...options, name: `h${index}` }));
const files = hooks.flatMap((options) => plan(options).files).filter(({ path }) => !path.includes('.service.d/'));

const writer = `import json, os, sys
for file in json.load(sys.stdin):
    os.makedirs(os.path.dirname(file["path"]), exist_ok=True)
    with open(file["path"], "w") as out:
        out.write(file["content"])
    os.chmod(file["path"], file["mode"])
`;

onEachRelease(
  'the units of random hooks',
  async ({ host }) => {
    await host.run(['python3', '-c', writer], { input: JSON.stringify(files) });
    await host.run('systemctl daemon-reload');
  },
  (fixture) => {
    const unit = ({ name }: HostileHook): string => `backup-${name}.service`;

    it('are accepted by systemd-analyze verify, every one', async () => {
      const units = files.filter(({ path }) => path.startsWith('/etc/systemd/system/'));
      expect(units.length).toBeGreaterThan(1500);
      const verify = [
        'env',
        'SYSTEMD_LOG_LEVEL=warning',
        'xargs',
        'systemd-analyze',
        'verify',
        '--man=no',
        '--recursive-errors=no',
      ];
      const { stdout, stderr } = await fixture.host.run(verify, {
        input: units.map(({ path }) => path).join('\n'),
        mayFail: true,
      });
      expect(stdout + stderr).toBe('');
    });

    it('are read back by systemd as what was asked for, a sample of 150', async () => {
      const { host } = fixture;
      const sample = hooks.filter((_, index) => index % Math.floor(hooks.length / 150) === 0).slice(0, 150);
      const { stdout } = await host.run(['python3', '-c', reader], { input: sample.map(unit).join('\n') });
      const found = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as ReadBack);
      expect(found.length).toBe(150);
      for (const [index, options] of sample.entries()) {
        const back = found[index] as ReadBack;
        const normal = (path: string): string => path.replaceAll(/\/+/g, '/').replace(/(.)\/$/, '$1');
        // Variables, and with them `$$`, are expanded when it is run, not when it is read.
        const expanded = (argv: string[]): string[] => argv.map((each) => each.replaceAll('$$', () => '$'));
        const { command, sandbox } = options;
        expect(back.ExecStart.map(([, argv]) => expanded(argv))).toEqual([
          command ?? [`/usr/local/lib/backup/hook-${options.name}`],
        ]);
        expect(new Set(back.Environment)).toEqual(
          new Set(Object.entries(options.environment).map(([name, value]) => `${name}=${value}`)),
        );
        expect(back.BindPaths.map(([from]) => from)).toEqual([`/backup/${options.name}`, ...options.write].map(normal));
        expect(back.BindReadOnlyPaths.map(([from]) => from)).toEqual(options.read.map(normal));
        expect(back.User).toBe(options.user);
        expect(back.After).toEqual(
          expect.arrayContaining([...options.after, ...options.order.map((name) => `backup-${name}.service`)]),
        );
        expect(new Map(back.LoadCredential)).toEqual(
          new Map([
            ...Object.entries(options.credentials).map(([key, path]) => [key, normal(path)] as const),
            ...Object.keys(options.secrets).map(
              (key) => [key, `/etc/credstore/backup-${options.name}/${key}`] as const,
            ),
          ]),
        );
        expect(back.MemoryDenyWriteExecute).toBe((sandbox['MemoryDenyWriteExecute']?.value ?? 'true') === 'true');
        expect(back.PrivateUsers).toBe((sandbox['PrivateUsers']?.value ?? 'true') === 'true');
        expect(back.UMask).toBe(Number.parseInt(String(sandbox['UMask']?.value ?? '0077'), 8));
      }
    });
  },
);
