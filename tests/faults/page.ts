import { table } from '../../src/render/markdown.ts';
import { defects } from './defects.ts';
import { faults, type Fault } from './matrix.ts';

/** docs/faults.md. */
export function faultsPage(): string {
  const rows: readonly Fault[] = Object.values(faults);
  const groups = [...new Set(rows.map(({ group }) => group))];
  return `<!-- Written by \`npm run test:unit -- --update\` from tests/faults/. Do not edit. -->

# What goes wrong, and what comes of it

Each row is a test on booted Debian 12 and 13 hosts with the real parts (\`npm run test:faults\`): the fault is brought about, a backup
runs, and these are compared with the row: the result of the unit, the subject of the mail that the administrator gets, that
\`backupctl status\` says the same within its first five lines, with what is to be done, that what was saved before can still be read, and
that the next run is good when the fault has ended. Where a hand is needed for that, the report
names the command, and the test takes the command from the report.

In no row is an archive or a dump lost that was good before.

${groups.map((group) => `## ${group}\n\n${table(['Fault', 'The unit', 'The mail: “backup of HOST: …”', 'The next run is good', ''], rows.filter((row) => row.group === group).map(columns))}`).join('\n')}
Memory limits of control groups are not part of this: the machines that run the tests have none. That a process is killed for its
memory is the row “the whole unit is killed”; that it gets none is “Borg gets no memory”.

## What went wrong elsewhere

Defects that were seen in other systems of this kind, and the test which keeps each out.

${table(
  ['Defect', 'Here', 'Test'],
  defects.map(({ defect, here, test: [file, title] }) => [
    defect,
    here,
    `\`tests/${file}\`: ${file.startsWith('faults/') ? faults[title as keyof typeof faults].what : `${title} …`}`,
  ]),
)}`;
}

const columns = ({ what, result, unit, told, hand, note, late }: Fault): string[] => [
  what,
  `${unit === undefined ? '' : `\`${unit}\`: `}${result === 'success' ? 'succeeds' : `fails (${result})`}`,
  told === undefined ? 'none: nothing is to be done' : `“${told}”${late === true ? ', late' : ''}`,
  hand === undefined ? 'by itself' : `after \`${hand}\`, as the report says`,
  note ?? '',
];
