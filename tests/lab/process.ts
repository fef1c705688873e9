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
  /** Default 240. */
  readonly timeoutSeconds?: number;
}

/**
 * Runs a program to its end.
 * @throws with everything it printed, if it exits with anything but 0 and may not fail.
 */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      timeout: (options.timeoutSeconds ?? 240) * 1000,
      killSignal: 'SIGKILL',
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (data: Buffer) => out.push(data));
    child.stderr.on('data', (data: Buffer) => err.push(data));
    // A program that does not read its input may be gone before all of it is written.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    child.on('error', reject);
    child.on('close', (status, signal) => {
      const stdoutBytes = Buffer.concat(out);
      const result = { code: status ?? -1, stdoutBytes, stdout: stdoutBytes.toString(), stderr: Buffer.concat(err).toString() };
      if (result.code === 0 || (options.mayFail === true && signal === null)) resolve(result);
      else reject(new Error(`${[program, ...args].join(' ')}\nended with ${signal ?? result.code}\n${result.stdout}\n${result.stderr}`));
    });
  });
}
