import { expect, it } from 'vitest';
import { table } from '../../../src/render/markdown.ts';

it('a cell cannot break its row', () => expect(table(['a'], [['x|y\nz']])).toBe('| a |\n| --- |\n| x\\|y z |\n'));
