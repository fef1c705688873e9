import type { Host } from '../../tests/lab/host.ts';
import type { Rounds } from './rounds.ts';

/** Prints the peak of the memory of all processes of these units together, in KiB: a page that two share counts once. Ends when asked to. */
const watcher = `
import os, sys, time
units, peak = ["/" + unit for unit in sys.argv[1:]], 0
while not os.path.exists("/run/bench-done"):
    total = 0
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open("/proc/%s/cgroup" % pid) as file:
                cgroups = file.read()
                if not any(unit in cgroups for unit in units):
                    continue
            with open("/proc/%s/smaps_rollup" % pid) as file:
                total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except (OSError, StopIteration):
            pass
    peak = max(peak, total)
    time.sleep(0.01)
os.unlink("/run/bench-done")
print(peak)
`;

/** The peak of the memory of units together (proportional set size), in KiB, while something runs. */
export async function peak(host: Host, units: readonly string[], work: () => Promise<unknown>): Promise<number> {
  const watched = host.run(['python3', '-c', watcher, ...units], { timeoutSeconds: 3600 });
  try {
    await work();
  } finally {
    await host.run(['touch', '/run/bench-done']);
  }
  const found = Number((await watched).stdout);
  if (!(found > 0)) throw new Error(`${units.join(', ')} was never seen at work: is it another unit now?`);
  return found;
}

export const mebi = (rounds: Rounds): string => `${(rounds.median / 1024).toFixed(0)} MiB`;
