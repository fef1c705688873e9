import { states, type Fleet } from '../schema/fleet.ts';
import { chunks, contents } from './contents.ts';
import { size, stamp } from './figures.ts';
import { lastGood, words } from './words.ts';

/** What the page is made with: its own script and style, and what of them the browser lets run. */
export interface Means {
  readonly script: string;
  readonly style: string;
  /** Base64 of SHA-256. */
  readonly digest: (text: string) => string;
  /** Base64 of gzip. */
  readonly packed: (text: string) => string;
}

/** How many machines are on a page where there is no script. */
const pageLength = 200;

/** `fleet.html`. What comes from a machine is in it as packed JSON, or escaped. */
export function page(fleet: Fleet, { script, style, digest, packed }: Means): string {
  const policy = `default-src 'none'; script-src 'sha256-${digest(script)}'; style-src 'sha256-${digest(style)}'; base-uri 'none'; form-action 'none'`;
  const data = (id: string, value: unknown): string =>
    `<script type="application/gzip" id="${id}">${packed(JSON.stringify(value))}</script>\n`;
  const all = fleet.machines.length === 1 ? '1 machine' : `${fleet.machines.length} machines`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="rootless.backup ${escaped(fleet.version)}">
<title>Backups of ${all}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>Backups of ${all}</h1>
<p id="made">As of ${stamp(fleet.made)}</p>
</header>
<main id="main">
<noscript>
${plain(fleet)}</noscript>
</main>
${data('contents', contents(fleet))}${chunks(fleet)
    .map((chunk, index) => data(`chunk-${index}`, chunk))
    .join('')}<script>${script}</script>
</body>
</html>
`;
}

/** The machines as tables, of which one is shown at a time: for who has no script. */
function plain({ machines, made }: Fleet): string {
  const count = Math.max(1, Math.ceil(machines.length / pageLength));
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const counts = states
    .map((state) => [words[state], machines.filter((machine) => machine.state === state).length] as const)
    .filter(([, many]) => many > 0)
    .map(([word, many]) => `${word}: ${many}`)
    .join(', ');
  const pages =
    count === 1
      ? ''
      : `<nav aria-label="Pages"><p>${numbers.map((each) => `<a href="#page-${each}">${each}</a>`).join(' ')}</p></nav>\n`;
  return `<p>${counts}</p>\n${pages}<div class="pages">\n${numbers
    .map(
      (number) =>
        `<section id="page-${number}"><h2>Page ${number} of ${count}</h2>
<table><thead><tr><th>State<th>Machine<th>Last good<th>Size<th>What is wrong, what to do</thead><tbody>
${machines
  .slice((number - 1) * pageLength, number * pageLength)
  .map(
    (each) =>
      `<tr class="s${states.indexOf(each.state)}"><td>${words[each.state]}<td>${escaped(each.name)}<td>${lastGood(each.state, each.last_good, made)}<td>${each.original_size === undefined ? '' : size(each.original_size)}<td>${escaped([...each.problems.slice(0, 2), ...each.remedies.slice(0, 1)].map((text) => text.slice(0, 200)).join(' → '))}\n`,
  )
  .join('')}</tbody></table></section>
`,
    )
    .join('')}</div>
`;
}

const escaped = (text: string): string =>
  text.replaceAll(
    /[&<>"'\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (letter) => `&#${letter === '\u0000' ? 0xfffd : letter.charCodeAt(0)};`,
  );
