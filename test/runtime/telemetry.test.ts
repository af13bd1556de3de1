import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const runtime = new URL('../../src/runtime/ort.ts', import.meta.url).href;

/** The variable as ONNX Runtime's native part sees it, in a process that has loaded it: as a child inherits it. */
function seenIn(environment: NodeJS.ProcessEnv): string {
  const program = `
    import { execFileSync } from 'node:child_process';
    await import(${JSON.stringify(runtime)});
    process.stdout.write(execFileSync('printenv', ['ORT_DISABLE_TELEMETRY']));`;
  return execFileSync(process.execPath, ['--import', tsx, '--input-type=module', '-e', program], {
    env: environment,
    encoding: 'utf8',
  }).trim();
}

const { ORT_DISABLE_TELEMETRY: _, ...unset } = process.env;

it.skipIf(process.platform === 'win32')('ONNX Runtime is loaded without telemetry', () => {
  expect(seenIn(unset)).toBe('1');
});

it.skipIf(process.platform === 'win32')('ONNX Runtime is loaded as the user has set it', () => {
  expect(seenIn({ ...unset, ORT_DISABLE_TELEMETRY: '0' })).toBe('0');
});
