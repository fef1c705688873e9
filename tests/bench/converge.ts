import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Lab } from '../lab/lab.ts';
import type { Part } from './main.ts';
import { milliseconds, ratio, takeTurns } from './rounds.ts';

/** A pass that changes nothing, against `ping` and against the same files laid down by the usual tasks. */
export const converge: Part = {
  title: 'A no-change pass of the roles borg and postgres',
  columns: ['What', 'SSH executions', 'Median', 'Quartiles', 'Ratio to ping', 'Reach'],
  async measure() {
    const lab = await Lab.open();
    try {
      await lab.installCollection();
      const host = await lab.boot({ name: 'bench', debian: 12 });
      const play = (tasks: readonly object[]): readonly object[] => [{ hosts: 'all', gather_facts: false, vars: { ansible_python_interpreter: '/usr/bin/python3' }, tasks }];
      const files: Record<string, string> = {};
      const roles = play(['borg', 'postgres'].map((role) => ({ 'ansible.builtin.include_role': { name: `rootless.backup.${role}` }, vars: { borg_packages: [] } })));
      await lab.playbook(roles);
      // What the roles laid down, each file as the usual role would have it.
      const laid = (await host.run("python3 -c 'import json, glob; print(\"\\n\".join(p for f in glob.glob(\"/var/lib/rootless.backup/*.json\") for p in json.load(open(f))[\"paths\"]))'")).stdout.trim().split('\n');
      for (const path of laid) files[path] = (await host.run(['stat', '--format=%a', path])).stdout.trim();
      const directory = join(lab.directory, 'usual');
      const usual: object[] = [];
      for (const [path, mode] of Object.entries(files)) {
        const name = path.replaceAll('/', '_');
        writeFileSync(join(lab.directory, `usual${name}`), await host.read(path));
        usual.push({ 'ansible.builtin.copy': { src: `${directory}${name}`, dest: path, mode: `0${mode}` } });
      }
      for (const [path, owner, mode] of [['/backup', 'root', '1771'], ['/etc/backup', 'root', '0755'], ['/etc/credstore', 'root', '0700'], ['/var/lib/borg', 'borg', '0700'], ['/var/cache/borg', 'borg', '0700'], ['/backup/postgresql', 'postgres', '0700']] as const)
        usual.push({ 'ansible.builtin.file': { path, state: 'directory', owner, mode } });
      usual.push({ 'ansible.builtin.user': { name: 'borg', system: true, home: '/var/lib/borg', create_home: false, shell: '/usr/sbin/nologin' } });
      for (const unit of ['backup.timer', 'borg-check.timer', 'backup-watch.timer']) usual.push({ 'ansible.builtin.systemd_service': { name: unit, enabled: true, state: 'started' } });
      const passes: Record<string, readonly object[]> = {
        ping: play([{ 'ansible.builtin.ping': {} }]),
        ours: roles,
        usual: play(usual),
      };
      const ssh: Record<string, number> = {};
      const run = (name: string) => async (): Promise<void> => {
        const { sshExecutions, recap } = await lab.playbook(passes[name] ?? []);
        if (recap['bench']?.changed !== 0) throw new Error(`${name} changed something`);
        ssh[name] = sshExecutions;
      };
      const { ping, ours, theirs } = await takeTurns(5, { ping: run('ping'), ours: run('ours'), theirs: run('usual') });
      return [
        ['`ansible.builtin.ping`', String(ssh['ping']), ...milliseconds(ping), '1', ''],
        ['roles `borg` and `postgres`', String(ssh['ours']), ...milliseconds(ours), ratio(ours, ping), '≤ 1.5'],
        [`the same ${laid.length} files by \`copy\`, \`file\`, \`user\`, \`systemd_service\``, String(ssh['usual']), ...milliseconds(theirs), ratio(theirs, ping), ''],
        ['ours to the usual', '', '', '', ratio(ours, theirs), '≤ 0.25'],
      ];
    } finally {
      await lab.close();
    }
  },
};
