import { defineConfig } from 'vitest/config';

// A busy machine is no failure: the longest of them reads 5000 sets of options.
export default defineConfig({ test: { include: ['tests/unit/**/*.test.ts'], testTimeout: 60_000 } });
