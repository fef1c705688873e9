/**
 * `npm run commands` writes what is made of the commands of `backupctl`: completion, the man page, `docs/commands.md`. It needs the
 * gates' environment, which `npm run build` does without.
 */
import { writeCommandLine } from './gates/command-line.ts';

for (const path of await writeCommandLine('.')) console.log(`wrote ${path}`);
