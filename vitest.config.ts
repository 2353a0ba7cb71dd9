import { configDefaults, defineConfig } from 'vitest/config';

/** What takes long (many whole runs, processes that are killed, every config) is left to `npm run test:slow`. */
const slow = process.env.SECATEUR_SLOW_TESTS ? [] : ['test/**/*.slow.test.ts'];

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...slow],
    setupFiles: ['test/support/fixed-seed.ts'],
    pool: 'forks',
    // Many tests wait for processes and files rather than compute.
    maxWorkers: 2,
    testTimeout: 60_000,
    coverage: { provider: 'v8', include: ['src/**/*.ts'], reporter: ['text-summary', 'html'] },
  },
});
