/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { states } from '../schema/fleet.ts';
import type { Contents } from '../fleet/contents.ts';
import { size, when } from '../fleet/figures.ts';
import { lastGood, lastProof, words } from '../fleet/words.ts';
import { spark } from './charts.ts';
import { element } from './elements.ts';

/** How many rows are made beyond what is seen, above and below. */
const margin = 8;

/**
 * The rows of the table, of which only those exist that can be seen. One of them can be open; its details take the place below it.
 */
export class Rows {
  readonly body = element('div', { class: 'body', role: 'rowgroup' });
  private places: readonly number[] = [];
  private readonly shown = new Map<number, HTMLElement>();
  /** The open one's place in the contents. */
  private open: number | undefined;
  private detail: HTMLElement | undefined;
  private height = 44;

  constructor(
    private readonly contents: Contents,
    private readonly details: (place: number) => Promise<HTMLElement[]>,
  ) {
    addEventListener('scroll', () => this.draw(), { passive: true });
    addEventListener('resize', () => this.measure());
    this.body.addEventListener('click', (event) => {
      const row = (event.target as Element).closest<HTMLElement>('.row');
      // A text that somebody marks is no click.
      if (row !== null && getSelection()?.isCollapsed !== false) void this.toggle(Number(row.dataset['place']));
    });
    this.body.addEventListener('keydown', (event) => this.key(event));
  }

  /** Shows these, by their places in the contents. */
  show(places: readonly number[]): void {
    this.places = places;
    if (this.open !== undefined && !places.includes(this.open)) this.close();
    this.clear();
    this.measure();
  }

  private clear(): void {
    for (const row of this.shown.values()) row.remove();
    this.shown.clear();
  }

  private measure(): void {
    const height = Number.parseInt(getComputedStyle(document.documentElement).getPropertyValue('--row'), 10);
    if (height > 0) this.height = height;
    this.draw();
  }

  private get openIndex(): number {
    return this.open === undefined ? -1 : this.places.indexOf(this.open);
  }

  /** Where a row begins, in pixels below the first. */
  private top(index: number): number {
    const open = this.openIndex;
    return index * this.height + (open >= 0 && index > open ? (this.detail?.offsetHeight ?? 0) : 0);
  }

  /** Makes the rows that can be seen, and takes away the others. */
  private draw(): void {
    const { places, body, shown } = this;
    body.style.height = `${this.top(places.length)}px`;
    const above = -body.getBoundingClientRect().top;
    const opened = this.detail?.offsetHeight ?? 0;
    const first = Math.max(0, Math.floor((above - opened) / this.height) - margin);
    const last = Math.min(places.length, Math.ceil((above + innerHeight) / this.height) + margin);
    const focused = document.activeElement?.closest<HTMLElement>('.row');
    for (const [index, row] of shown)
      if ((index < first || index >= last) && row !== focused && index !== this.openIndex) {
        row.remove();
        shown.delete(index);
      }
    const wanted = new Set(Array.from({ length: Math.max(0, last - first) }, (_, each) => first + each));
    if (this.openIndex >= 0) wanted.add(this.openIndex);
    for (const index of [...wanted].sort((one, other) => one - other)) {
      let row = shown.get(index);
      if (row === undefined) {
        row = this.row(places[index] ?? 0, index);
        shown.set(index, row);
        // In the order in which they are read.
        const next = [...shown.keys()].filter((each) => each > index).sort((one, other) => one - other)[0];
        body.insertBefore(row, next === undefined ? null : (shown.get(next) ?? null));
      }
      row.style.transform = `translateY(${this.top(index)}px)`;
    }
    if (this.detail !== undefined && this.openIndex >= 0) {
      this.detail.style.transform = `translateY(${(this.openIndex + 1) * this.height}px)`;
      const row = shown.get(this.openIndex);
      if (row !== undefined && row.nextSibling !== this.detail) row.after(this.detail);
    }
  }

  private row(place: number, index: number): HTMLElement {
    const [name, state, problem, good, drill, next, bytes, , line] = this.contents.rows[place] ?? emptyRow;
    const { made } = this.contents;
    const kind = states[state] ?? 'ok';
    const open = place === this.open;
    const button = element('button', { type: 'button', 'aria-expanded': String(open) }, name);
    const cell = (kind: string, ...content: (string | Node)[]): HTMLElement =>
      element('div', { class: kind, role: 'cell' }, ...content);
    const row = element(
      'div',
      { class: `row s${state}${open ? ' open' : ''}`, role: 'row', 'aria-rowindex': String(index + 2) },
      cell('state', words[kind]),
      cell('name', button),
      cell('what', problem),
      cell('good', element('span', { class: 'narrow' }, 'Last good backup '), lastGood(kind, good, made)),
      cell('drill', lastProof(kind, drill, made)),
      cell('next', next === 0 ? '' : when(next, made)),
      cell('size', bytes === 0 ? '' : size(bytes)),
      cell('spark', spark(line)),
    );
    row.dataset['place'] = String(place);
    return row;
  }

  /** Opens a row, or closes it. */
  async toggle(place: number): Promise<void> {
    const again = this.open === place;
    this.close();
    if (again) return;
    this.open = place;
    const content = await this.details(place);
    // Another one may have been opened meanwhile.
    if (this.open !== place) return;
    this.mark(place, true);
    const region = element('div', { role: 'cell', 'aria-colspan': '8' }, ...content);
    this.detail = element('div', { class: 'detail', role: 'row' }, region);
    this.body.append(this.detail);
    this.draw();
  }

  private close(): void {
    if (this.open === undefined) return;
    this.mark(this.open, false);
    this.detail?.remove();
    this.detail = this.open = undefined;
    this.draw();
  }

  private mark(place: number, open: boolean): void {
    const row = this.shown.get(this.places.indexOf(place));
    row?.classList.toggle('open', open);
    row?.querySelector('button')?.setAttribute('aria-expanded', String(open));
  }

  private key(event: KeyboardEvent): void {
    const row = (event.target as Element).closest<HTMLElement>('.row');
    if (row === null || event.altKey || event.ctrlKey || event.metaKey) return;
    const index = this.places.indexOf(Number(row.dataset['place']));
    const page = Math.max(1, Math.floor(innerHeight / this.height) - 2);
    const to = {
      ArrowDown: index + 1,
      ArrowUp: index - 1,
      PageDown: index + page,
      PageUp: index - page,
      Home: 0,
      End: this.places.length - 1,
    }[event.key];
    if (event.key === 'Escape' && this.open !== undefined) this.close();
    if (to === undefined) return;
    event.preventDefault();
    this.focus(Math.max(0, Math.min(this.places.length - 1, to)));
  }

  private focus(index: number): void {
    const top = this.body.getBoundingClientRect().top + scrollY + this.top(index);
    // Below the head, which stays.
    if (top < scrollY + 48) scrollTo(0, top - 48);
    else if (top + this.height > scrollY + innerHeight) scrollTo(0, top + this.height - innerHeight + 8);
    this.draw();
    this.shown.get(index)?.querySelector('button')?.focus({ preventScroll: true });
  }
}

const emptyRow: Contents['rows'][number] = ['', 6, '', 0, 0, 0, 0, 0, '', []];
