import type { Release } from '../../tests/lab/root.ts';
import type { Chart } from './bars.ts';

/** How much a part is to do. */
export interface Effort {
  /** Only to see that it works: few rounds, little data, and no page. */
  readonly quick: boolean;
}

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What a part found: on the page the tables come first, then the charts, then the remarks. */
export interface Found {
  readonly tables: readonly Table[];
  readonly charts?: readonly Chart[];
  /** Paragraphs: what follows from the figures. */
  readonly remarks?: readonly string[];
}

export interface Part {
  readonly title: string;
  /** What is compared with what, and in how many rounds. */
  readonly about: string;
  /** Each setting that is not at its default, and why, as a Markdown sentence; all else is. */
  readonly settings: string;
  /** The releases of Debian that it is measured on, if not on the oldest alone. */
  readonly releases?: readonly Release[];
  measure(effort: Effort): Promise<Found>;
}
