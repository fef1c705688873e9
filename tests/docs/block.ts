import { pages, read } from './page.ts';

/** A block of code of a page. */
export interface Block {
  readonly page: string;
  /** The heading that it stands below. */
  readonly heading: string;
  /** The line of the page that it begins at. */
  readonly line: number;
  readonly language: string;
  /** What its info string says beside the language: words, and `NAME=VALUE`. GitHub shows none of it. */
  readonly marks: readonly string[];
  readonly text: string;
}

/**
 * What becomes of a block: `command` is run, `file` is laid down, `task`, `playbook` and `vars` are given to Ansible, `output` is compared
 * with what was said, `excerpt` is parsed.
 */
export type Kind = 'command' | 'file' | 'task' | 'playbook' | 'vars' | 'output' | 'excerpt';

/** The machines of a page, and where its commands are run on each: as root, but on the server as the owner of the repository. */
export const machines = ['control', 'host', 'server', 'rescue'] as const;
export type Machine = (typeof machines)[number];

/** How a block is marked, as it is told to whoever forgot it. */
export const howToMark = `Say behind the language what becomes of the block:
  sh ${machines.join('|')} [exit=CODE,…] [answer=TEXT]   it is run there; exit: the code of each of its commands; answer: typed at a terminal
  yaml task | playbook | vars                          it is given to Ansible; vars: as a file of group_vars, and backup.yml is applied
  LANGUAGE control|host file=PATH                      it is laid down there
  LANGUAGE output                                      it is compared with what was said; … stands for anything
  yaml|sh excerpt                                      it is parsed: settings by their schema, commands of npm by package.json, playbooks by name
and add "network" where a name or key of an outside network is replaced (tests/docs/walk.ts says by what).`;

/** @throws if a block is not marked, or in a way that is unknown. */
export function kind({ page, line, language, marks }: Block): Kind {
  const words = marks.filter((mark) => !mark.includes('=') && mark !== 'network');
  const names = marks.filter((mark) => mark.includes('=')).map((mark) => mark.split('=')[0] ?? '');
  const on = words.filter((word): word is Machine => (machines as readonly string[]).includes(word));
  const is = (...options: readonly string[]): boolean => names.every((name) => options.includes(name));
  if (words.length === 1) {
    const [word = ''] = words;
    if (on.length === 1 && names.includes('file') && is('file')) return 'file';
    if (on.length === 1 && language === 'sh' && is('exit', 'answer')) return 'command';
    if (language === 'yaml' && is() && (word === 'task' || word === 'playbook' || word === 'vars')) return word;
    if (is() && (word === 'output' || word === 'excerpt')) return word;
  }
  throw new Error(`${page}:${line}: the block is not marked ("${[language, ...marks].join(' ')}"). ${howToMark}`);
}

/** What a mark `NAME=VALUE` of a block says. */
export const value = ({ marks }: Block, name: string): string | undefined =>
  marks.find((mark) => mark.startsWith(`${name}=`))?.slice(name.length + 1);

/** The blocks of a page, in order. */
export function blocksOf(page: string, text: string): Block[] {
  const found: Block[] = [];
  let heading = '';
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    heading = /^#+ (.+)$/.exec(line)?.[1] ?? heading;
    const open = /^( *)```(.*)$/.exec(line);
    if (open === null) continue;
    const [, indent = '', info = ''] = open;
    const end = lines.indexOf(`${indent}\`\`\``, at + 1);
    if (end < 0) throw new Error(`${page}:${at + 1}: the block has no end`);
    const [language = '', ...marks] = info.trim().split(/\s+/);
    const body = lines.slice(at + 1, end).map((each) => (each.startsWith(indent) ? each.slice(indent.length) : each));
    found.push({ page, heading, line: at + 1, language, marks, text: `${body.join('\n')}\n` });
    at = end;
  }
  return found;
}

/** The blocks of the README and of `docs/`. */
export const blocks: readonly Block[] = pages
  .filter((page) => page === 'README.md' || page.startsWith('docs/'))
  .flatMap((page) => blocksOf(page, read(page)));

/** The commands of a block of shell, one an entry: lines that are none are comments, or go on. */
export const commands = (text: string): string[] =>
  text
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.replace(/\s+# .*$/, '').trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
