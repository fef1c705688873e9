import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Lab } from '../../tests/lab/lab.ts';
import type { Host } from '../../tests/lab/host.ts';
import { run } from '../../tests/lab/process.ts';
import type { Part } from './part.ts';
import { milliseconds, ratio, reach, seconds, takeTurns, type Rounds } from './rounds.ts';

type Tasks = readonly object[];
const play = (tasks: Tasks, vars: object = {}): Tasks => [
  { hosts: 'all', gather_facts: false, vars: { ansible_python_interpreter: '/usr/bin/python3', ...vars }, tasks },
];
/** What comes of the inventory's name otherwise: a host has many names here, and is to stay as it is by each of them. */
const alike = {
  inventory_hostname: 'bench',
  backup_secrets_dir: '{{ inventory_dir }}/backup-secrets/{{ ansible_host }}',
};
const roles = (names: readonly string[], vars: object = {}): Tasks =>
  play(
    names.map((role) => ({ 'ansible.builtin.include_role': { name: `rootless.backup.${role}` } })),
    { borg_packages: [], ...alike, ...vars },
  );
const present = roles(['borg', 'postgres']);
const absent = roles(['postgres', 'borg'], {
  backup_state: 'absent',
  postgres_state: 'absent',
  borg_delete_repositories: true,
});
const ping = play([{ 'ansible.builtin.ping': {} }]);

/** A pass of Ansible, first and when nothing changes, by the number of hosts, against `ping` and the usual tasks. */
export const converge: Part = {
  title: 'A pass of Ansible with the roles borg and postgres',
  about: `\`ansible-playbook\` from start to end, without gathering facts, against a play of \`ping\` and against one that lays down the same files
with one \`copy\` each, makes the directories and the user and enables the timers, as roles usually do. One host: five rounds, in turns, of a pass that
changes nothing; and five of the first pass, on a host from which everything was taken away before. More hosts: names in the inventory
that lead to four booted hosts, with 5 and 20 forks; five rounds with 4 and 20 names, two with 100, and of the usual tasks one round with 4,
since they take minutes. What a pass costs on the control node is all there; what it costs on the hosts is done by four of them for
all, on the same machine.`,
  async measure({ quick }) {
    const instances = await raise('/proc/sys/fs/inotify/max_user_instances', 1024);
    const lab = await Lab.open();
    try {
      await lab.installCollection();
      const rounds = quick ? 1 : 5;
      const host = await lab.boot({ name: 'bench', debian: 12 });
      await lab.playbook(present);
      const { tasks, files } = await usualTasks(lab, host);
      const passes = { ping, ours: present, usual: play(tasks) };
      const ssh: Record<string, number> = {};
      const pass =
        (name: keyof typeof passes, changes = false, args: readonly string[] = []) =>
        async (): Promise<void> => {
          const { sshExecutions, recap } = await lab.playbook(passes[name], { args, timeoutSeconds: 900 });
          ssh[name] = sshExecutions;
          if (Object.values(recap).some(({ changed }) => changed > 0 !== changes))
            throw new Error(`${name} ${changes ? 'changed nothing' : 'changed something'}`);
        };
      const still = await takeTurns(rounds, { ping: pass('ping'), ours: pass('ours'), usual: pass('usual') });
      const executions = { ...ssh };
      const first = await firstPasses(lab, rounds, passes);

      // Many names, four hosts.
      for (const name of ['second', 'third', 'fourth']) await lab.boot({ name, debian: 12 });
      await lab.playbook(present);
      const inventory = readFileSync(join(lab.directory, 'inventory'), 'utf8');
      const common = inventory.slice(inventory.indexOf('[all:vars]'));
      const many: { hosts: number; forks: number; ping: Rounds; ours: Rounds; usual?: Rounds }[] = [];
      for (const [hosts, times] of (quick
        ? [[4, 1]]
        : [
            [4, 5],
            [20, 5],
            [100, 2],
          ]) as [number, number][]) {
        const lines = Array.from(
          { length: hosts },
          (_, i) => `name${i} ansible_host=${lab.hosts[i % lab.hosts.length]?.address ?? ''}`,
        );
        const file = join(lab.directory, `inventory-${hosts}`);
        writeFileSync(file, `${lines.join('\n')}\n${common}`);
        for (const forks of hosts <= 4 ? [20] : [5, 20]) {
          const args = ['--inventory', file, '--forks', String(forks)];
          const taken = await takeTurns(
            times,
            { ping: pass('ping', false, args), ours: pass('ours', false, args) },
            { warm: true },
          );
          const usual =
            hosts <= 4
              ? { usual: (await takeTurns(1, { usual: pass('usual', false, args) }, { warm: true })).usual }
              : {};
          many.push({ hosts, forks, ...taken, ...usual });
        }
      }
      /** What each further host adds, in milliseconds. */
      const each = (taken: Rounds, one: Rounds, hosts: number): string =>
        `${((taken.median - one.median) / (hosts - 1)).toFixed(0)} ms`;
      return {
        tables: [
          {
            columns: [
              'One host, nothing changes',
              'SSH executions',
              'Median',
              'Quartiles',
              'Ratio to ping',
              'Reach',
              'Ratio to the usual',
              'Reach',
            ],
            rows: [
              ['`ansible.builtin.ping`', String(executions['ping']), ...milliseconds(still.ping), '1', '', '', ''],
              [
                'roles `borg` and `postgres`',
                String(executions['ours']),
                ...milliseconds(still.ours),
                ...reach(still.ours.median / still.ping.median, 1.5),
                ...reach(still.ours.median / still.usual.median, 0.25),
              ],
              [
                `the same ${files} files by \`copy\`, \`file\`, \`user\`, \`systemd_service\``,
                String(executions['usual']),
                ...milliseconds(still.usual),
                ratio(still.usual, still.ping),
                '',
                '1',
                '',
              ],
            ],
          },
          {
            columns: ['One host, the first pass', 'Median', 'Quartiles', 'Ratio to the usual'],
            rows: [
              [
                'roles `borg` and `postgres`, with a repository that is initialised',
                ...seconds(first.ours),
                ratio(first.ours, first.usual),
              ],
              ['the usual tasks, without a repository', ...seconds(first.usual), '1'],
            ],
          },
          {
            columns: ['Hosts', 'Forks', 'What', 'Median', 'Quartiles', 'Ratio to ping', 'Each further host'],
            rows: many.flatMap(({ hosts, forks, ping, ours, usual }) => [
              [
                String(hosts),
                String(forks),
                '`ansible.builtin.ping`',
                ...seconds(ping),
                '1',
                each(ping, still.ping, hosts),
              ],
              [
                String(hosts),
                String(forks),
                'roles `borg` and `postgres`',
                ...seconds(ours),
                ratio(ours, ping),
                each(ours, still.ours, hosts),
              ],
              ...(usual === undefined
                ? []
                : [
                    [
                      String(hosts),
                      String(forks),
                      'the usual tasks (one round)',
                      ...seconds(usual),
                      ratio(usual, ping),
                      each(usual, still.usual, hosts),
                    ],
                  ]),
            ]),
          },
        ],
        charts: [
          {
            name: 'converge',
            title: 'A pass that changes nothing',
            bars: [
              ...(
                [
                  ['one host: ping', 'ping'],
                  ['one host: ours', 'ours'],
                  ['one host: the usual tasks', 'usual'],
                ] as const
              ).map(([label, key]) => bar(label, still[key], key === 'ours')),
              ...many
                .filter(({ forks }) => forks === 20)
                .flatMap(({ hosts, ping, ours, usual }) => [
                  bar(`${hosts} hosts, 20 forks: ping`, ping, false),
                  bar(`${hosts} hosts, 20 forks: ours`, ours, true),
                  ...(usual === undefined ? [] : [bar(`${hosts} hosts, 20 forks: the usual tasks`, usual, false)]),
                ]),
            ],
          },
        ],
      };
    } finally {
      await lab.close();
      if (instances !== undefined)
        await run('sysctl', ['--quiet', '--write', `fs.inotify.max_user_instances=${instances}`]);
    }
  },
};

const bar = (
  label: string,
  { median }: Rounds,
  ours: boolean,
): { label: string; value: number; text: string; ours: boolean } => ({
  label,
  value: median,
  text: `${(median / 1000).toFixed(1)} s`,
  ours,
});

/** First passes in turns; before each, everything is taken away. */
async function firstPasses(
  lab: Lab,
  rounds: number,
  passes: Readonly<Record<'ours' | 'usual', Tasks>>,
): Promise<Record<'ours' | 'usual', Rounds>> {
  const clear = async (): Promise<unknown> => {
    await lab.playbook(absent);
    return lab.hosts[0]?.run(
      'rm -rf /var/lib/borg /var/cache/borg /backup /etc/backup; userdel borg 2> /dev/null; true',
    );
  };
  const taken = await takeTurns(
    rounds,
    {
      ours: () => lab.playbook(passes.ours),
      usual: () => lab.playbook(passes.usual),
    },
    { beforeEach: clear, warm: true },
  );
  // The last of them was the usual one, or ours: the roles have the last word.
  await clear();
  await lab.playbook(passes.ours);
  return taken;
}

/** What the roles laid down, each file as the usual role would have it. */
async function usualTasks(lab: Lab, host: Host): Promise<{ tasks: Tasks; files: number }> {
  const laid = (
    await host.run(
      'python3 -c \'import json, glob; print("\\n".join(p for f in glob.glob("/var/lib/rootless.backup/*.json") for p in json.load(open(f))["paths"]))\'',
    )
  ).stdout
    .trim()
    .split('\n');
  const copies: object[] = [];
  const parents = new Set<string>();
  for (const path of laid) {
    const src = join(lab.directory, `usual${path.replaceAll('/', '_')}`);
    writeFileSync(src, await host.read(path));
    copies.push({
      'ansible.builtin.copy': {
        src,
        dest: path,
        mode: `0${(await host.run(['stat', '--format=%a', path])).stdout.trim()}`,
      },
    });
    parents.add(path.replace(/\/[^/]*$/, ''));
  }
  const missing = [...parents].filter(
    (path) =>
      !/^\/(etc|usr\/(local\/(s?bin|lib)|lib))(\/(systemd|systemd\/system|sysusers\.d|tmpfiles\.d|credstore))?$/.test(
        path,
      ),
  );
  const directories = [
    ...missing.map((path) => [path, 'root', '0755'] as const),
    ['/backup', 'root', '1771'],
    ['/etc/credstore', 'root', '0700'],
    ['/var/lib/borg', 'borg', '0700'],
    ['/var/cache/borg', 'borg', '0700'],
    ['/backup/postgresql', 'postgres', '0700'],
  ] as const;
  return {
    files: laid.length,
    tasks: [
      {
        'ansible.builtin.user': {
          name: 'borg',
          system: true,
          home: '/var/lib/borg',
          create_home: false,
          shell: '/usr/sbin/nologin',
        },
      },
      ...directories.map(([path, owner, mode]) => ({
        'ansible.builtin.file': { path, state: 'directory', owner, mode },
      })),
      ...copies,
      ...['backup.timer', 'backup-check.timer', 'backup-watch.timer'].map((unit) => ({
        'ansible.builtin.systemd_service': { name: unit, enabled: true, state: 'started', daemon_reload: true },
      })),
    ],
  };
}

/** Raises a limit of this machine's kernel: each booted host takes some of it. @returns what it was, if it was lower. */
async function raise(file: string, to: number): Promise<number | undefined> {
  const was = Number(readFileSync(file, 'utf8'));
  if (was >= to) return undefined;
  await run('sysctl', ['--quiet', '--write', `${file.replace('/proc/sys/', '').replaceAll('/', '.')}=${to}`]);
  return was;
}
