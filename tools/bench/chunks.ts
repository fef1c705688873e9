import { rmSync, statfsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../tests/lab/process.ts';
import { debianRoot } from '../../tests/lab/root.ts';
import { dumpChunks } from '../../src/schema/borg-chunks.ts';
import type { Part } from './part.ts';

/** A real disk: what is measured is larger than the memory that test hosts live in. */
const disk = process.env['BENCH_DIRECTORY'] ?? '/var/tmp';
/** The memory that a backup may take on a small server. */
const bound = 256;

/**
 * Feeds Borg with rows of digits, letters, tabs and ends of lines, of which no two are alike: nothing deduplicates, and nothing but
 * the repository is stored. The same seed gives the same bytes, and each way gets the same ones.
 */
const program = `
import json, os, random, subprocess, sys, time
size, call = int(sys.argv[1]), sys.argv[2:]
letters = bytes((b"0123456789" * 16 + b"abcdefghijklmnopqrstuvwxyz" * 3 + b"\\t" * 14 + b"\\n" * 4)[:256])
rows = random.Random(size)
begun = time.monotonic()
with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
    for left in range(size, 0, -(1 << 20)):
        process.stdin.write(rows.randbytes(min(left, 1 << 20)).translate(letters))
    process.stdin.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
print(json.dumps({"seconds": time.monotonic() - begun, "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss * 1024}))
sys.exit(process.returncode)
`;

/** Enters the Debian root with a directory of this machine, in place of whose name it has /mnt; the root itself cannot be written. */
const enter = `
set -o errexit
mount --bind "$0" "$0"
mount -o remount,bind,ro "$0"
for path in dev proc; do mount --rbind "/$path" "$0/$path"; done
mount --bind "$1" "$0/mnt"
root=$0; shift
exec chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin LANG=C.UTF-8 BORG_REPO=/mnt/repository BORG_BASE_DIR=/mnt TMPDIR=/mnt BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes "$@"
`;

interface Cost {
  readonly seconds: number;
  readonly cpu: number;
  readonly peak: number;
}

/** Saves so many bytes with such chunks into a repository that is gone afterwards. */
async function save(root: string, directory: string, params: string, bytes: number): Promise<Cost> {
  const { bavail, bsize } = statfsSync(disk);
  // Two are saved at a time; what is saved compresses to two thirds.
  if (bavail * bsize < 2 * bytes)
    throw new Error(
      `${disk} has ${((bavail * bsize) / 1e9).toFixed(0)} GB free and ${((2 * bytes) / 1e9).toFixed(0)} are needed; name another directory in BENCH_DIRECTORY`,
    );
  await mkdir(directory);
  try {
    const within = (...call: string[]): ReturnType<typeof run> =>
      run('unshare', ['--mount', '--pid', '--fork', '--kill-child', 'bash', '-c', enter, root, directory, ...call], {
        timeoutSeconds: 3600,
      });
    await within('borg', 'init', '--encryption=none');
    const { stdout } = await within(
      'python3',
      '-c',
      program,
      String(bytes),
      'borg',
      'create',
      '--compression=zstd,3',
      `--chunker-params=${params}`,
      '::dump',
      '-',
    );
    return JSON.parse(stdout) as Cost;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** What the size of chunks costs when dumps are large. */
export const chunks: Part = {
  title: 'Memory and time by the size of a dump and of its chunks',
  about: `The first archive of a dump of which no part repeats itself (so no size of chunks can gain anything), by \`borg create\` with zstd,3 from a
program that makes text of rows as it goes, into a repository without encryption on a real disk. Compared are Borg's own size of
chunks, the small ones for dumps, and those between. One round: memory comes of the number of chunks, and the same bytes are cut
alike each time. Two are measured at once, so the ratio of times is that of Borg's processor time.`,
  settings: 'none, since no role is set up here.',
  async measure({ quick }) {
    const root = await debianRoot(12);
    const directory = await mkdtemp(join(disk, 'rootless.backup-bench-'));
    process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
    const ways = { default: dumpChunks.large.params, middle: dumpChunks.between.params, ours: dumpChunks.small.params };
    const names = { default: 'Borg’s own', middle: 'between', ours: 'small' };
    const sizes = quick ? [0.02, 0.05] : [1, 5, 20];
    const keys = Object.keys(ways) as (keyof typeof ways)[];
    // The largest first, and two at a time: so both end at about the same time.
    const queue = sizes.toReversed().flatMap((size) => keys.map((key) => ({ size, key })));
    const measured = new Map<string, Cost>();
    const lane = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift())
        measured.set(
          `${next.key} ${next.size}`,
          await save(root, join(directory, `${next.key}-${next.size}`), ways[next.key], next.size * 1e9),
        );
    };
    await Promise.all([lane(), lane()]);
    const of = (key: string, size: number): Cost => {
      const found = measured.get(`${key} ${size}`);
      if (found === undefined) throw new Error(`${key} was not measured with ${size} GB`);
      return found;
    };
    const mebi = ({ peak }: Cost): number => peak / 2 ** 20;
    const [larger = 0, most = 0] = sizes.slice(-2);
    // What Borg needs without any chunk, by the way with the most of them: at its start it takes more for a moment (it tests itself),
    // and that hides what small dumps take.
    const perGigabyte = (mebi(of('ours', most)) - mebi(of('ours', larger))) / (most - larger);
    const base = mebi(of('ours', most)) - most * perGigabyte;
    const slope = (key: string): number => (mebi(of(key, most)) - base) / most;
    const limit = (key: string): string => `${Math.floor((bound - base) / slope(key))} GB`;
    return {
      tables: [
        {
          columns: [
            'Dump',
            'Chunks',
            'Peak memory',
            'Ratio to Borg’s own',
            'Processor time',
            'Ratio to Borg’s own',
            'Time',
          ],
          rows: sizes.flatMap((size) =>
            keys.map((key) => {
              const [cost, base] = [of(key, size), of('default', size)];
              return [
                `${size} GB`,
                `${names[key]}: \`${ways[key]}\``,
                `${mebi(cost).toFixed(0)} MiB`,
                (cost.peak / base.peak).toFixed(2),
                `${cost.cpu.toFixed(1)} s`,
                (cost.cpu / base.cpu).toFixed(2),
                `${cost.seconds.toFixed(0)} s`,
              ];
            }),
          ),
        },
      ],
      charts: [
        {
          name: 'chunks',
          title: 'Peak memory of Borg',
          bars: sizes.flatMap((size) =>
            keys.map((key) => ({
              label: `${size} GB, ${names[key]}`,
              value: mebi(of(key, size)),
              text: `${mebi(of(key, size)).toFixed(0)} MiB`,
              ours: key === 'ours',
            })),
          ),
        },
      ],
      remarks: [
        `Below ${mebi(of('default', most)).toFixed(0)} MiB nothing can be told: so much Borg takes at its start, when it tests itself. Above that each GB of ` +
          `dumps costs ${slope('ours').toFixed(1)} MiB with small chunks, ${slope('middle').toFixed(1)} MiB with those between, and at most ` +
          `${slope('default').toFixed(1)} MiB with Borg's own, beside ${base.toFixed(0)} MiB for Borg itself.`,
        `Within ${bound} MiB are \`${ways.ours}\` while all dumps together are smaller than ${limit('ours')}, and ` +
          `\`${ways.middle}\` up to ${limit('middle')}. All chunks of the repository count a little, and those of the newest archive most. So role ` +
          `\`borg\` takes half: small chunks below ${dumpChunks.small.below} GiB, those between below ${dumpChunks.between.below} GiB, and Borg's own above ` +
          '(`borg_dump_chunker_params` says otherwise). Other chunks than before save all dumps anew once, so it goes back to smaller ones only ' +
          'when the dumps are a quarter of that.',
      ],
    };
  },
};
