import type { Host } from '../../tests/lab/host.ts';

/** What one command cost. */
export interface Cost {
  readonly seconds: number;
  /** User and system time of the command and its children. */
  readonly cpu: number;
  /** The peak of the resident memory of its largest process, in bytes. */
  readonly peak: number;
  readonly stdout: string;
}

/** Runs a command and prints its cost. With wait4(2), since no Debian root has time(1) by itself. */
export const meter = `
import json, os, subprocess, sys, time
begun = time.monotonic()
with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE) as process:
    stdout = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
print(json.dumps({"seconds": time.monotonic() - begun, "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss * 1024, "stdout": stdout.decode()}))
sys.exit(process.returncode)
`;

/** Runs a command on a host. @throws if it fails. */
export async function cost(host: Host, command: readonly string[], user?: string): Promise<Cost> {
  const { stdout } = await host.run(['python3', '-c', meter, ...command], user === undefined ? {} : { user });
  return JSON.parse(stdout) as Cost;
}
