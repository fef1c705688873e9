import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Host } from '../lab/host.ts';
import type { Lab } from '../lab/lab.ts';
import type { Result } from '../lab/process.ts';
import { blocksOf, commands, kind, value, type Block, type Machine } from './block.ts';
import { read } from './page.ts';

/** What stands around the blocks of a page, by the heading that they are below; of several below one, by `HEADING 2` and so on. `fails`: the page says that it does. */
export type Around = Readonly<
  Record<string, { before?: () => Promise<unknown>; after?: (output: string) => unknown; fails?: true }>
>;

/** Who walks the pages: what a reader would have before him. */
export interface Reader {
  readonly lab: Lab;
  readonly machine: (name: Exclude<Machine, 'control'>) => Host;
  /** What a reader puts in place of what a page can only give an example of: names of archives, keys. */
  readonly own: () => Promise<readonly (readonly [example: string | RegExp, own: string])[]>;
  /** The variables of the environment of the control node. */
  readonly env?: NodeJS.ProcessEnv;
}

/** How long a block may take: a machine that comes back with all its packages takes minutes. */
const timeoutSeconds = 1200;

/**
 * Runs all blocks of a page in their order, as its reader would, or those below one of its headings.
 * @throws with the block that is not true.
 */
export async function walk(page: string, reader: Reader, around: Around, below?: string): Promise<void> {
  const all = blocksOf(page, read(page)).filter(({ heading }) => heading === (below ?? heading));
  if (all.length === 0) throw new Error(`${page} has no block below ${below}`);
  const counted = new Map<string, number>();
  const known = new Set(Object.keys(around));
  let said = '';
  await new Shell(reader).forget();
  for (const block of all) {
    const count = (counted.get(block.heading) ?? 0) + 1;
    counted.set(block.heading, count);
    const name = count === 1 ? block.heading : `${block.heading} ${count}`;
    known.delete(name);
    const { before, after, fails } = around[name] ?? {};
    try {
      const prepared = await before?.();
      if (typeof prepared === 'string') said = prepared;
      if (kind(block) === 'output') compare(block.text, said);
      else if (kind(block) !== 'excerpt') said = await perform(block, reader, fails === true);
      await after?.(said);
    } catch (error) {
      throw new Error(`${page}:${block.line}: ${name}\n${block.text}\n${String(error)}`, { cause: error });
    }
  }
  if (known.size > 0) throw new Error(`${page} has no block below ${[...known].join(', ')}`);
}

/** Does what a block says. @returns what was said. */
async function perform(block: Block, reader: Reader, fails: boolean): Promise<string> {
  let { text } = block;
  for (const [example, own] of await reader.own()) text = text.replaceAll(example, own);
  const { lab } = reader;
  const write = (name: string, content: string): string => {
    const path = join(lab.directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  };
  const play = async (file: string): Promise<string> => {
    const { stdout, code } = await lab.run(file, { args: ['-i', 'inventory'], mayFail: true, timeoutSeconds });
    if ((code === 0) === fails) throw new Error(stdout);
    return stdout;
  };
  const file = value(block, 'file') ?? '';
  switch (kind(block)) {
    case 'file':
      if (block.marks.includes('control')) write(file, text);
      else await reader.machine('host').write(file, text);
      return '';
    case 'task':
      return play(write('task.yml', `- hosts: all\n  become: true\n  tasks:\n${text.replaceAll(/^(?=.)/gm, '    ')}`));
    case 'playbook':
      return play(write('playbook.yml', text));
    case 'vars':
      write(`group_vars/all/${basename(block.page, '.md')}.yml`, text);
      return play(join(lab.directory, 'backup.yml'));
    default:
      return new Shell(reader).run(block, text, fails);
  }
}

/** The shells of a reader, one on each machine: what is exported, and where it is, holds until the end of the page. */
class Shell {
  constructor(private readonly reader: Reader) {}

  /** New shells. */
  async forget(): Promise<void> {
    for (const name of ['host', 'server', 'rescue'] as const)
      await this.on(name, 'rm -rf /tmp/shell').catch(() => undefined);
    await this.on('control', 'rm -rf shell');
  }

  /** Runs the commands of a block. @throws if one ends with another code than it should. */
  async run(block: Block, text: string, fails: boolean): Promise<string> {
    const machine = block.marks.find((mark) => !mark.includes('=') && mark !== 'network') as Machine;
    const state = machine === 'control' ? '"$PWD/shell"' : '/tmp/shell';
    const exits = value(block, 'exit')?.split(',');
    const each = commands(text);
    if (exits !== undefined && exits.length !== each.length)
      throw new Error(`exit= has ${exits.length} codes for ${each.length} commands`);
    const script =
      exits === undefined
        ? text
        : each
            .map((command, at) => `c=0; ${command} || c=$?; [ $c = ${exits[at]} ] || { echo "exit code $c"; exit 99; }`)
            .join('\n');
    const whole = `state=${state}\n[ ! -e $state/env ] || { . $state/env; cd "$(< $state/cwd)"; }\nset -e -o pipefail\n${script}\nset +e
mkdir -p $state; export -p > $state/env; pwd > $state/cwd\n`;
    const answer = value(block, 'answer');
    const { stdout, stderr, code } = await this.on(
      machine,
      answer === undefined
        ? whole
        : `cat > /tmp/typed <<'TYPED'\n${whole}TYPED\nscript -qec 'bash /tmp/typed' /dev/null <<< '${answer}'`,
    );
    if ((code === 0) === fails) throw new Error(`exit code ${code}\n${stdout}\n${stderr}`);
    return stdout;
  }

  private on(machine: Machine, script: string): Promise<Result> {
    const { lab, env = {} } = this.reader;
    const shell = ['-c', script];
    if (machine === 'control') return lab.ansible('bash', shell, { mayFail: true, timeoutSeconds, env });
    const there = machine === 'server' ? 'cd ~borg; ' : 'cd; ';
    return this.reader.machine(machine).run(['bash', '-c', `${there}${script}`], {
      mayFail: true,
      timeoutSeconds,
      ...(machine === 'server' ? { user: 'borg' } : {}),
    });
  }
}

/** Times, spans, sizes and numbers of runs are others each time. */
const plain = (text: string): string =>
  text
    .trim()
    .replaceAll(/\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d/g, 'TIME')
    .replaceAll(/\b\d+(?:\.\d+)? (?:s|min|h|seconds?|minutes?|hours?|days?)\b/g, 'SPAN')
    .replaceAll(/SPAN ago|just now/g, 'AGO')
    .replaceAll(/AAAA\S+/g, 'KEY')
    .replaceAll(/[ \t]+$/gm, '');

/** @throws if what a page shows is not what was said. */
export function compare(shown: string, said: string): void {
  const pattern = plain(shown)
    .split('…')
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
    .join('[^]*?');
  if (!new RegExp(pattern).test(plain(said)))
    throw new Error(`the page shows:\n${plain(shown)}\nwhat was said:\n${plain(said)}`);
}
