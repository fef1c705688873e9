import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['tests/collection/**/*.test.ts'], testTimeout: 120_000, hookTimeout: 300_000 },
});
