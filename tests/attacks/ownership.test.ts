import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import { onEachRelease } from '../host/fixture.ts';

/** Races are run this often; once was enough against a walk by path. */
const rounds = Number(process.env['ATTACK_ROUNDS'] ?? 3);

/** Exchanges the names of each pair, thousands of times a second, until it is stopped. */
const exchange = `import ctypes
libc = ctypes.CDLL(None)
pairs = [(b'real%d' % number, b'link%d' % number) for number in range(40)]
while True:
    for a, b in pairs:
        libc.renameat2(-100, a, -100, b, 2)
`;

/** Whoever owns what in a directory. */
const owners = async (host: Host, directory: string): Promise<string> =>
  (await host.run(`find ${directory} -xdev -printf '%p %U %G %m %l\\n' | sort`)).stdout;

/**
 * Real directories with the names of what is in the target, and links to the target, exchanged by their owner meanwhile: in a directory
 * that anybody may write in, by a process that is in it already, so that a new owner of what is above locks nobody out.
 */
const trap = async (host: Host, user: string, place: string, target: string): Promise<void> => {
  await host.write('/usr/local/bin/exchange', exchange);
  await host.run(
    `set -e; systemctl stop exchange 2> /dev/null || true
     rm -rf ${place}/trap; mkdir -p ${place}/trap/real{0..39}; cd ${place}/trap; chmod 777 . real*
     for name in $(ls -A ${target}); do touch real{0..39}/$name; done
     for number in {0..39}; do ln -s ${target} link$number; done; chown -hR ${user}: .
     systemd-run --quiet --collect --unit=exchange --uid=${user} --working-directory=${place}/trap python3 /usr/local/bin/exchange
     until [ -L real0 ]; do :; done`,
  );
};

onEachRelease(
  'what changes hands',
  async ({ lab, host }) => {
    await host.run('for user in old new alice; do useradd --create-home $user; done');
    await lab.roles(['borg']);
  },
  (fixture) => {
    const hook = (options: object, mayFail = false): Promise<{ stdout: string; stderr: string }> =>
      fixture.lab.playbook(
        [
          {
            hosts: 'all',
            gather_facts: false,
            tasks: [{ name: 'hook', 'rootless.backup.hook': { name: 'race', ...options } }],
          },
        ],
        { mayFail },
      );
    const as = (user: string): object => ({ user, command: '/bin/true' });

    it("from one user of a hook to another is nothing but the hook's, though the old one exchanges directories for links to /etc", async () => {
      const { host } = fixture;
      await hook(as('old'));
      const before = await owners(host, '/etc');
      for (let round = 0; round < rounds; round += 1) {
        const [from, to] = round % 2 === 0 ? ['old', 'new'] : ['new', 'old'];
        await trap(host, from, '/backup/race', '/etc');
        await hook(as(to));
        await host.run('systemctl stop exchange');
        const changed = (await owners(host, '/etc'))
          .split('\n')
          .filter(
            (line) =>
              !before.includes(line) &&
              !/\/backup-race|\/credstore|\.service|\/tmpfiles\.d|^\/etc(\/systemd\/system(\/backup.*)?)? /.test(line),
          );
        expect(changed).toEqual([]);
      }
    });

    it('is handed over where nobody is in the way, without set-user-id, and a file with a second name stays, which is told', async () => {
      const { host } = fixture;
      await hook({ state: 'absent' });
      await hook(as('old'));
      await host.run(
        'cd /backup/race; mkdir -p a/b; echo > a/b/file; cp /bin/true a/root; chown -R old: a; chmod 4755 a/root; echo > twice; chown old: twice; ln twice again',
      );
      const { stdout, stderr } = await hook(as('new'));
      expect((await host.run('cd /backup/race; stat -c "%n %U %a" . a a/b a/b/file a/root twice')).stdout).toBe(
        '. new 700\na new 755\na/b new 755\na/b/file new 644\na/root new 755\ntwice old 644\n',
      );
      expect((stdout + stderr).replaceAll(/\s+/g, ' ')).toContain('/backup/race/twice (it has several names)');
    });

    it('is not what is on another file system', async () => {
      const { host } = fixture;
      await host.run(
        'mkdir /backup/race/mounted; mount -t tmpfs tmpfs /backup/race/mounted; touch /backup/race/mounted/file; chown new: /backup/race/mounted/file',
      );
      await hook(as('old'));
      expect((await host.run('stat -c %U /backup/race/mounted/file; umount /backup/race/mounted')).stdout).toBe(
        'new\n',
      );
    });

    it('when a hook goes is removed with the hook, however deep, and nothing of /etc with it', async () => {
      const { host } = fixture;
      const before = await owners(host, '/etc');
      for (let round = 0; round < rounds; round += 1) {
        await hook(as('old'));
        await host.run([
          'python3',
          '-c',
          'import os\nos.chdir("/backup/race")\nfor _ in range(3000):\n  os.mkdir("d")\n  os.chdir("d")',
        ]);
        await trap(host, 'old', '/backup/race', '/etc');
        await hook({ state: 'absent' });
        await host.run('systemctl stop exchange');
        expect(await host.exists('/backup/race')).toBe(false);
        const gone = before
          .split('\n')
          .map((line) => line.split(' ')[0] ?? '')
          .filter((path) => path !== '' && !path.includes('race'));
        const now = (await owners(host, '/etc')).split('\n').map((line) => line.split(' ')[0]);
        expect(gone.filter((path) => !now.includes(path))).toEqual([]);
      }
    });

    it('to root when the user borg goes is only what was its own', async () => {
      const { host, lab } = fixture;
      await host.run(
        'cd /home/alice; for n in $(seq 60); do echo > file$n; done; chmod 755 .; chown -R alice: .; echo > /var/shared; chown alice: /var/shared; chmod 666 /var/shared',
      );
      await host.run(
        'ln /var/shared /var/lib/borg/shared; mkdir /var/lib/borg/own; echo > /var/lib/borg/own/file; cp /bin/true /var/lib/borg/own/program; chmod 4755 /var/lib/borg/own/program; chown -R borg: /var/lib/borg/own; chmod u+s /var/lib/borg/own/program',
      );
      const before = await owners(host, '/home/alice');
      // What runs as the user is ended just before the user is removed, and exchanges directories until then.
      for (let round = 0; round < rounds / 3; round += 1) {
        if (round > 0) await lab.roles(['borg']);
        await trap(host, 'borg', '/var/lib/borg', '/home/alice');
        await lab.roles(['borg'], { backup_state: 'absent' });
        expect((await host.run('systemctl is-active exchange', { mayFail: true })).stdout).toBe('inactive\n');
      }
      expect(await owners(host, '/home/alice')).toBe(before);
      expect(
        (
          await host.run(
            'stat -c "%n %U %a" /var/shared /var/lib/borg/own /var/lib/borg/own/file /var/lib/borg/own/program',
          )
        ).stdout,
      ).toBe(
        '/var/shared alice 666\n/var/lib/borg/own root 755\n/var/lib/borg/own/file root 644\n/var/lib/borg/own/program root 755\n',
      );
    });
  },
);
