import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { run, type Result, type RunOptions } from '../../tests/lab/process.ts';

const requirements = 'tools/gates/requirements.txt';
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'rootless.backup');

/** The programs that the gates call, in a virtual environment of the system's Python; nothing else of the machine's is used. */
export class Toolbox {
  private static opened: Promise<Toolbox> | undefined;

  private constructor(
    readonly directory: string,
    /** What programs keep between runs, such as the environments of `ansible-test`. */
    readonly home: string,
  ) {}

  /** The toolbox as `requirements.txt` has it, made the first time. */
  static open(): Promise<Toolbox> {
    return (Toolbox.opened ??= Toolbox.make());
  }

  private static async make(): Promise<Toolbox> {
    const python = (await run('/usr/bin/python3', ['--version'])).stdout;
    const hash = createHash('sha256').update(readFileSync(requirements)).update(python).digest('hex').slice(0, 12);
    const toolbox = new Toolbox(join(cache, `tools-${hash}`), join(cache, 'home'));
    if (existsSync(join(toolbox.directory, 'complete'))) return toolbox;
    await mkdir(toolbox.home, { recursive: true });
    // Programs of an environment hold its path, so it is made in place; what is complete says so.
    await run('flock', [`${toolbox.directory}.lock`, 'bash', '-c', make, 'make', toolbox.directory, requirements], {
      timeoutSeconds: 600,
    });
    return toolbox;
  }

  get path(): string {
    return `${join(this.directory, 'bin')}:/usr/sbin:/usr/bin:/sbin:/bin`;
  }

  /** Runs a program of the toolbox, with nothing of the caller's environment. @throws with what it printed, if it fails. */
  run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
    const env = { PATH: this.path, HOME: this.home, LC_ALL: 'C.UTF-8', ...options.env };
    // On a machine that does much else, what takes half a minute may take long.
    return run(program, args, { timeoutSeconds: 1800, ...options, env });
  }

  /**
   * What `ansible-test` brings pip into its environments with. By itself it downloads `get-pip.py` from a server of its own;
   * a file of that name in its cache is taken instead, and Python has pip with it.
   * @see https://github.com/ansible/ansible/issues/77304
   */
  async prepareAnsibleTest(): Promise<void> {
    const file = join(this.home, '.ansible/test/cache', `get_pip_${ansibleTestPip.replaceAll('.', '_')}.py`);
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(`${file}.new`, getPip);
    await rename(`${file}.new`, file);
  }
}

const make = `
set -o errexit
[ ! -e "$1/complete" ] || exit 0
rm -rf "$1"
/usr/bin/python3 -m venv "$1"
"$1/bin/pip" install --quiet --disable-pip-version-check --requirement "$2"
touch "$1/complete"
`;

/** The version that the `ansible-test` of requirements.txt asks for. */
const ansibleTestPip = '24.2';

const getPip = `import ensurepip, subprocess, sys
ensurepip.bootstrap()
packages = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *packages]))
`;
