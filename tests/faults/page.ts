import { table } from '../../src/render/markdown.ts';
import { defects } from './defects.ts';
import { faults, type Fault } from './matrix.ts';

/** docs/faults.md. */
export function faultsPage(): string {
  const rows: readonly Fault[] = Object.values(faults);
  const groups = [...new Set(rows.map(({ group }) => group))];
  return `<!-- Written by \`npm run test:unit -- --update\` from tests/faults/. Do not edit. -->

# What goes wrong, and what comes of it

Each row is a test on booted Debian 12 and 13 hosts with the real parts (\`npm run test:faults\`). The test causes the
fault and runs a backup. Then it sees that

- the unit ends, and the mail to the administrator has the subject, as the row says;
- \`backupctl status\` says the same within its first five lines, and what to do;
- what was saved before can still be read;
- the next run is good when the fault has ended. If you have to do something for that, the report names the command, and
  the test takes the command from the report.

No fault costs an archive or a dump that was good before.

${groups.map((group) => `## ${group}\n\n${table(['Fault', 'The unit', 'The mail: “backup of HOST: …”', 'The next run is good', ''], rows.filter((row) => row.group === group).map(columns))}`).join('\n')}
Memory limits of control groups are not part of this: the machines that run the tests have none. The row “the whole unit
is killed” is what happens if a process takes too much memory, the row “Borg gets no memory” what happens if it gets
none.

## What went wrong elsewhere

These defects were seen in other systems of this kind. A test keeps each of them out.

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
