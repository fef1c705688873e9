/** What `npm run format` writes in Python. */
import { formatPython } from './gates/gates.ts';

await formatPython();
