import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Lab } from '../../tests/lab/lab.ts';
import type { Host } from '../../tests/lab/host.ts';
import { run } from '../../tests/lab/process.ts';
import { releases, type Release } from '../../tests/lab/root.ts';
import type { Part } from './part.ts';
import { milliseconds, ratio, reach, Rounds, seconds, takeMeteredTurns, takeTurns } from './rounds.ts';

type Tasks = readonly object[];
const play = (tasks: Tasks, vars: object = {}): Tasks => [{ hosts: 'all', vars, tasks }];
/** What comes of the inventory's name otherwise: a host has many names here, and is to stay as it is by each of them. */
const alike = {
  inventory_hostname: 'bench',
  backup_secrets_dir: '{{ inventory_dir }}/backup-secrets/{{ ansible_host }}',
};
const roles = (names: readonly string[], vars: object = {}): Tasks => [
  { hosts: 'all', vars, roles: names.map((role) => `rootless.backup.${role}`) },
];
const both = ['borg', 'postgres'];
const absent = roles(['postgres', 'borg'], {
  backup_state: 'absent',
  postgres_state: 'absent',
  borg_delete_repositories: true,
});
const ping = play([{ 'ansible.builtin.ping': {} }]);

/** A pass of Ansible, first and when nothing changes, by the number of hosts, against `ping` and the usual tasks. */
export const converge: Part = {
  title: 'A pass of Ansible with the roles borg and postgres',
  about: `\`ansible-playbook\` from start to end, with every setting of the roles and of the plays at its default, so facts are gathered, against a
play of \`ping\` and, on Debian 12, against one that lays down the same files with one \`copy\` each, makes the directories and the user and enables the
timers, as roles usually do. For all alike the inventory names the Python of the hosts (\`ansible_python_interpreter\`), and pipelining is on. One host
of each release: five rounds, in turns, of a pass that changes nothing; on Debian 12 five of the first pass, on a host from which
everything was taken away before. More hosts: names in the inventory that lead to four booted hosts (so \`inventory_hostname\` and
\`backup_secrets_dir\` are set, to stay the same by each name), with 5 and 20 forks; five rounds with 4 and 20 names, two with 100, and of the
usual tasks one round with 4, since they take minutes. What the hosts do is done by four of them for all, on the same machine; so the
processor time of the control node is told apart from theirs.`,
  settings:
    'all at their defaults with one host. With more, `inventory_hostname` and `backup_secrets_dir` are set, since many names lead to one host; before a first pass `backup_state`, `postgres_state` and `borg_delete_repositories` take all away.',
  releases,
  async measure({ quick }) {
    const instances = await raise('/proc/sys/fs/inotify/max_user_instances', 1024);
    const lab = await Lab.open();
    try {
      await lab.installCollection();
      const rounds = quick ? 1 : 5;
      const one: { debian: Release; still: Still }[] = [];
      for (const debian of [...releases].reverse()) {
        const host = await lab.boot({ name: `debian-${debian}`, debian });
        await lab.playbook(roles(both));
        const usual = debian === 12 ? await usualTasks(lab, host) : undefined;
        one.push({ debian, still: await oneHost(lab, rounds, usual?.tasks) });
        if (usual === undefined) await lab.forget(host);
        else return await tables(lab, quick, one, usual, rounds);
      }
      throw new Error('there is no Debian 12');
    } finally {
      await lab.close();
      if (instances !== undefined)
        await run('sysctl', ['--quiet', '--write', `fs.inotify.max_user_instances=${instances}`]);
    }
  },
};

type Usual = Awaited<ReturnType<typeof usualTasks>>;

/** What a pass took: milliseconds, those of the control node's processor and of the hosts', and how often ssh was run. */
interface Passes {
  readonly taken: Rounds;
  readonly control: Rounds;
  readonly hosts: Rounds;
  readonly executions: number;
}

/** Passes in turns that change nothing. @throws if one does. */
async function unchanged<Name extends string>(
  lab: Lab,
  rounds: number,
  passes: Readonly<Record<Name, Tasks>>,
  { args = [], warm = false }: { args?: readonly string[]; warm?: boolean } = {},
): Promise<Record<Name, Passes>> {
  const names = Object.keys(passes) as Name[];
  const ssh = new Map<Name, number>();
  const onHosts = new Map<Name, number[]>(names.map((name) => [name, []]));
  const hosts = (): number => lab.hosts.reduce((sum, host) => sum + host.cpuSeconds() * 1000, 0);
  const pass = (name: Name) => async (): Promise<void> => {
    const before = hosts();
    const { sshExecutions, recap } = await lab.playbook(passes[name], { args, timeoutSeconds: 900 });
    onHosts.get(name)?.push(hosts() - before);
    ssh.set(name, sshExecutions);
    if (Object.values(recap).some(({ changed }) => changed > 0)) throw new Error(`${name} changed something`);
  };
  const { taken, metered } = await takeMeteredTurns(
    rounds,
    Object.fromEntries(names.map((name) => [name, pass(name)])) as Record<Name, () => Promise<void>>,
    { warm, meter: childrenMilliseconds },
  );
  return Object.fromEntries(
    names.map((name) => [
      name,
      {
        taken: taken[name],
        control: metered[name],
        // The first round is not counted unless all was warm.
        hosts: new Rounds((onHosts.get(name) ?? []).slice(-rounds)),
        executions: ssh.get(name) ?? 0,
      },
    ]),
  ) as Record<Name, Passes>;
}

/** Processor time of all that this process started and that has ended: `cutime` and `cstime` of proc(5), in ticks of 10 ms. */
function childrenMilliseconds(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[13]) + Number(fields[14])) * 10;
}

type Contestant = 'ping' | 'postgres' | 'borg' | 'ours';
type Still = Record<Contestant, Passes> & { usual?: Passes };

const oneHost = (lab: Lab, rounds: number, usual?: Tasks): Promise<Still> => {
  const contestants = { ping, postgres: roles(['postgres']), borg: roles(['borg']), ours: roles(both) };
  return usual === undefined
    ? unchanged(lab, rounds, contestants)
    : unchanged(lab, rounds, { ...contestants, usual: play(usual) });
};

interface Many {
  readonly hosts: number;
  readonly forks: number;
  readonly passes: Record<'ping' | 'ours', Passes> & { usual?: Passes };
}

/** Many names, four hosts. */
async function manyHosts(lab: Lab, quick: boolean, usual: Usual): Promise<Many[]> {
  const present = roles(both, alike);
  for (const name of ['second', 'third', 'fourth']) await lab.boot({ name, debian: 12 });
  await lab.playbook(present);
  const inventory = readFileSync(join(lab.directory, 'inventory'), 'utf8');
  const common = inventory.slice(inventory.indexOf('[all:vars]'));
  const many: Many[] = [];
  for (const [hosts, rounds] of (quick
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
      const passes = await unchanged(lab, rounds, { ping, ours: present }, { args, warm: true });
      const slow = hosts <= 4 ? await unchanged(lab, 1, { usual: play(usual.tasks, alike) }, { args, warm: true }) : {};
      many.push({ hosts, forks, passes: { ...passes, ...slow } });
    }
  }
  return many;
}

/** All that is measured from the host with Debian 12 on, and the tables and the chart of the part. */
async function tables(
  lab: Lab,
  quick: boolean,
  one: readonly { debian: Release; still: Still }[],
  usual: Usual,
  rounds: number,
): ReturnType<Part['measure']> {
  const first = await firstPasses(lab, rounds, { ours: roles(both), usual: play(usual.tasks) });
  const many = await manyHosts(lab, quick, usual);
  const still = one.find(({ debian }) => debian === 12)?.still;
  if (still?.usual === undefined) throw new Error('Debian 12 was not measured');
  const slow = still.usual;
  const labels: readonly (readonly [Contestant, string, number?])[] = [
    ['ping', '`ansible.builtin.ping`'],
    ['postgres', 'role `postgres`', 1.5],
    ['borg', 'role `borg`', 1.5],
    ['ours', 'roles `borg` and `postgres`', 2],
  ];
  /** What each further host adds, in milliseconds. */
  const further = (all: Rounds, alone: Rounds, hosts: number): number => (all.median - alone.median) / (hosts - 1);
  const names = {
    ping: '`ansible.builtin.ping`',
    ours: 'roles `borg` and `postgres`',
    usual: 'the usual tasks (one round)',
  };
  return {
    tables: [
      {
        columns: [
          'One host, nothing changes',
          'Debian',
          'SSH executions',
          'Median',
          'Quartiles',
          'Ratio to ping',
          'Reach',
          'Processor of the control node',
          'of the host',
        ],
        rows: [
          ...one.flatMap(({ debian, still }) =>
            labels.map(([name, label, limit]) => [
              label,
              String(debian),
              String(still[name].executions),
              ...milliseconds(still[name].taken),
              ...(limit === undefined ? ['1', ''] : reach(still[name].taken.median / still.ping.taken.median, limit)),
              `${still[name].control.median.toFixed(0)} ms`,
              `${still[name].hosts.median.toFixed(0)} ms`,
            ]),
          ),
          [
            `the same ${usual.files} files by \`copy\`, \`file\`, \`user\`, \`systemd_service\``,
            '12',
            String(slow.executions),
            ...milliseconds(slow.taken),
            ratio(slow.taken, still.ping.taken),
            '',
            `${slow.control.median.toFixed(0)} ms`,
            `${slow.hosts.median.toFixed(0)} ms`,
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
        columns: [
          'Hosts',
          'Forks',
          'What',
          'Median',
          'Quartiles',
          'Ratio to ping',
          'Processor of the control node for each further host',
          'Ratio to ping',
          'Reach',
          'Processor of the hosts, each',
        ],
        rows: many.flatMap(({ hosts, forks, passes }) =>
          (['ping', 'ours', 'usual'] as const).flatMap((name) => {
            const found = passes[name];
            const alone = still[name];
            if (found === undefined || alone === undefined) return [];
            const each = further(found.control, alone.control, hosts);
            const least = further(passes.ping.control, still.ping.control, hosts);
            return [
              [
                String(hosts),
                String(forks),
                names[name],
                ...seconds(found.taken),
                ratio(found.taken, passes.ping.taken),
                `${each.toFixed(0)} ms`,
                ...(name === 'ours' ? reach(each / least, 2) : [(each / least).toFixed(2), '']),
                `${(found.hosts.median / hosts).toFixed(0)} ms`,
              ],
            ];
          }),
        ),
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
            ] as const
          ).map(([label, key]) => bar(label, still[key].taken, key === 'ours')),
          bar('one host: the usual tasks', slow.taken, false),
          ...many
            .filter(({ forks }) => forks === 20)
            .flatMap(({ hosts, passes: { ping, ours, usual } }) => [
              bar(`${hosts} hosts, 20 forks: ping`, ping.taken, false),
              bar(`${hosts} hosts, 20 forks: ours`, ours.taken, true),
              ...(usual === undefined ? [] : [bar(`${hosts} hosts, 20 forks: the usual tasks`, usual.taken, false)]),
            ]),
        ],
      },
    ],
  };
}

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
export async function raise(file: string, to: number): Promise<number | undefined> {
  const was = Number(readFileSync(file, 'utf8'));
  if (was >= to) return undefined;
  await run('sysctl', ['--quiet', '--write', `${file.replace('/proc/sys/', '').replaceAll('/', '.')}=${to}`]);
  return was;
}
