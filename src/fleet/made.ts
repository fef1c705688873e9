import type { Fleet } from '../schema/fleet.ts';
import type { Asked } from './answer.ts';
import { heardOf } from './heard.ts';
import { judge, worstFirst } from './judge.ts';
import { letter } from './mail.ts';
import { page, type Means } from './page.ts';
import { prometheus } from './prometheus.ts';

/** What is made of the answers of all machines. */
export interface Made {
  readonly json: string;
  readonly prom: string;
  readonly html: string;
  readonly subject: string;
  readonly text: string;
  /** How many machines are not well. */
  readonly bad: number;
}

export function fleetOf({ version, made, answers }: Asked): Fleet {
  const heard = heardOf(answers);
  return {
    version,
    made,
    machines: answers.map((answer) => judge(answer, version, made, heard.get(answer.name))).sort(worstFirst),
  };
}

export function made(asked: Asked, means: Means): Made {
  const fleet = fleetOf(asked);
  return {
    json: `${JSON.stringify(fleet)}\n`,
    prom: prometheus(fleet),
    html: page(fleet, means),
    ...letter(fleet),
    bad: fleet.machines.filter(({ state }) => state !== 'ok').length,
  };
}
