/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** The script of the page: it reads what the page holds, and asks nobody else. */
import { states } from '../schema/fleet.ts';
import { chunkLength, unpacked, type Contents, type Packed } from '../fleet/contents.ts';
import { stamp, when } from '../fleet/figures.ts';
import { words } from '../fleet/words.ts';
import { chosen, type Choice, type Order } from './choice.ts';
import { detail } from './detail.ts';
import { element } from './elements.ts';
import { Rows } from './rows.ts';

async function read<Value>(id: string): Promise<Value> {
  const packed = document.getElementById(id)?.textContent ?? '';
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return (await new Response(stream).json()) as Value;
}

const columns: readonly (readonly [Order | '', string, string])[] = [
  ['state', 'state', 'State'],
  ['name', 'name', 'Machine'],
  ['', 'what', 'What is wrong'],
  ['good', 'good', 'Last good'],
  ['drill', 'drill', 'Last drill'],
  ['next', 'next', 'Next run'],
  ['size', 'size', 'Size'],
  ['', 'spark', 'History'],
];

/** How it is said beside the title of a column. */
const orders: readonly (readonly [Order, boolean, string])[] = [
  ['state', false, 'the worst first'],
  ['name', false, 'name'],
  ['good', false, 'the oldest good backup first'],
  ['drill', false, 'the oldest drill first'],
  ['next', false, 'the next run first'],
  ['size', true, 'the largest first'],
  ['new', true, 'the most new data first'],
];

async function start(): Promise<void> {
  const contents = await read<Contents>('contents');
  const main = document.getElementById('main') ?? document.body;
  const opened = new Map<number, Promise<Packed[]>>();
  const rows = new Rows(contents, async (place) => {
    const chunk = Math.floor(place / chunkLength);
    const machines = await (opened.get(chunk) ?? opened.set(chunk, read(`chunk-${chunk}`)).get(chunk));
    const machine = machines?.[place % chunkLength];
    return machine === undefined ? [] : detail(unpacked(machine), contents.made, contents.version);
  });
  let choice: Choice = { search: '', state: -1, group: -1, order: 'state', descending: false };

  const search = element('input', { type: 'search', autocomplete: 'off', spellcheck: 'false' });
  const groups = element(
    'select',
    {},
    option('-1', 'All groups'),
    ...contents.groups.map((group, index) => option(String(index), group)),
  );
  const order = element('select', {}, ...orders.map(([name, , text]) => option(name, text)));
  const chips = states.flatMap((state, index) => {
    const many = contents.rows.filter((row) => row[1] === index).length;
    const chip = element('button', { type: 'button', 'aria-pressed': 'false', class: `s${index}` });
    chip.append(element('span', { class: 'state' }, words[state]), ` ${many}`);
    chip.addEventListener('click', () => change({ state: choice.state === index ? -1 : index }));
    return many === 0 ? [] : [[index, chip] as const];
  });
  const count = element('p', { class: 'count', role: 'status' });
  const table = element('div', { role: 'table', 'aria-label': 'Machines', 'aria-colcount': String(columns.length) });
  const heads = columns.map(([by, kind, title]) => {
    const head = element('div', { class: kind, role: 'columnheader' });
    if (by === '') head.append(title);
    else {
      const button = element('button', { type: 'button' }, title);
      button.addEventListener('click', () =>
        change(
          choice.order === by
            ? { descending: !choice.descending }
            : { order: by, descending: orders.find(([name]) => name === by)?.[1] ?? false },
        ),
      );
      head.append(button);
    }
    return [by, head] as const;
  });
  table.append(
    element(
      'div',
      { role: 'rowgroup' },
      element('div', { class: 'head', role: 'row', 'aria-rowindex': '1' }, ...heads.map(([, head]) => head)),
    ),
    rows.body,
  );

  function change(to: Partial<Choice>): void {
    choice = { ...choice, ...to };
    const found = chosen(contents, choice);
    table.setAttribute('aria-rowcount', String(found.length + 1));
    count.textContent =
      found.length === contents.rows.length
        ? `${found.length} machines`
        : `${found.length} of ${contents.rows.length} machines`;
    for (const [index, chip] of chips) chip.setAttribute('aria-pressed', String(choice.state === index));
    for (const [by, head] of heads)
      if (by === choice.order) head.setAttribute('aria-sort', choice.descending ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    order.value = choice.order;
    rows.show(found);
  }
  search.addEventListener('input', () => change({ search: search.value }));
  groups.addEventListener('change', () => change({ group: Number(groups.value) }));
  order.addEventListener('change', () => {
    const [name, descending] = orders.find(([each]) => each === order.value) ?? ['state' as const, false];
    change({ order: name, descending });
  });
  main.append(
    element(
      'div',
      { class: 'controls' },
      element('label', { class: 'search' }, 'Search', search),
      element('label', {}, 'Group', groups),
      element('label', {}, 'Order', order),
    ),
    element('fieldset', { class: 'states' }, element('legend', {}, 'State'), ...chips.map(([, chip]) => chip)),
    count,
    table,
  );
  change({});
  const made = document.getElementById('made');
  // A page of yesterday says nothing of today.
  const now = Date.now() / 1000;
  if (made !== null) made.textContent = `As of ${stamp(contents.made)}, ${when(contents.made, now)}`;
  made?.classList.toggle('old', now - contents.made > 36 * 3600);
}

const option = (value: string, text: string): HTMLOptionElement => {
  const made = element('option', {}, text);
  made.value = value;
  return made;
};

start().catch((error: unknown) => {
  const text = `This page cannot be shown: ${String(error)}. It needs a browser of 2023 or later; fleet.json has the same.`;
  document.getElementById('main')?.append(element('p', { role: 'alert' }, text));
});
