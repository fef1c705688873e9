import { spawn } from 'node:child_process';

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Buffer;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly input?: string | Buffer;
  /** Return a failure instead of throwing it. */
  readonly mayFail?: boolean;
  /** When it is killed, and thrown whatever `mayFail` says. Default 240. */
  readonly timeoutSeconds?: number;
}

/**
 * Runs a program to its end.
 * @throws with everything it printed, if it exits with anything but 0 and may not fail, or takes too long.
 */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
    });
    const seconds = options.timeoutSeconds ?? 240;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
      // Its children outlive it (nsenter's are in another namespace) and hold the pipes: without this, `close` waits for them.
      child.stdout.destroy();
      child.stderr.destroy();
    }, seconds * 1000);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (data: Buffer) => out.push(data));
    child.stderr.on('data', (data: Buffer) => err.push(data));
    // A program that does not read its input may be gone before all of it is written.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      const stdoutBytes = Buffer.concat(out);
      const result = {
        code: status ?? -1,
        stdoutBytes,
        stdout: stdoutBytes.toString(),
        stderr: Buffer.concat(err).toString(),
      };
      if (result.code === 0 || (options.mayFail === true && signal === null && !late)) resolve(result);
      else
        reject(
          new Error(
            `${[program, ...args].join(' ')}\n${late ? `took longer than ${seconds} s` : `ended with ${signal ?? result.code}`}\n${result.stdout}\n${result.stderr}`,
          ),
        );
    });
  });
}
