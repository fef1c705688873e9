import { defineConfig } from 'vitest/config';
import { shareCollection } from './lab/collection.ts';

shareCollection();

export default defineConfig({
  test: {
    include: [
      'tests/host/**/*.test.ts',
      'tests/attacks/**/*.test.ts',
      // What takes long: only in `npm run test:long`.
      ...(process.env['ATTACK_ROUNDS'] === undefined ? [] : ['tests/long/**/*.test.ts']),
    ],
    globalSetup: ['tests/lab/setup.ts'],
    // Hosts boot in a second, but a playbook on a busy machine takes its time.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    poolOptions: { forks: { maxForks: 4, minForks: 1 } },
    reporters: ['verbose'],
  },
});
