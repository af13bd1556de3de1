import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/support/build.ts',
    testTimeout: 60_000,
    // ONNX Runtime takes its own threads; two test files at a time keep a small machine honest.
    maxWorkers: 2,
    pool: 'forks',
    env: { ORT_DISABLE_TELEMETRY: process.env['ORT_DISABLE_TELEMETRY'] ?? '1' },
  },
});
