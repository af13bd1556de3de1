import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { auditCommand } from '../../src/cli/commands/audit.ts';
import { digits } from '../support/examples.ts';
import { root } from '../support/package.ts';
import { traps } from '../support/traps.ts';

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly run?: string;
}
interface Action {
  readonly inputs: Readonly<Record<string, { readonly required?: boolean; readonly default?: string }>>;
  readonly runs: { readonly steps: readonly Step[] };
}

const read = async <T>(name: string): Promise<T> => parse(await readFile(join(root, name), 'utf8')) as T;

describe.skipIf(process.platform === 'win32')('action.yml', () => {
  let folder: string;
  let action: Action;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sparring-action-'));
    const { known } = await digits(1);
    await writeFile(join(folder, 'my model.onnx'), traps.plain(known));
    action = await read('action.yml');
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('audits a classifier as its inputs say, whatever characters they hold', async () => {
    const { env, run } = action.runs.steps.find(({ name }) => name === 'Audit')!;
    const inputs: Readonly<Record<string, string>> = {
      ...Object.fromEntries(
        Object.entries(action.inputs).map(([name, input]) => [name, input.default ?? '']),
      ),
      model: 'my model.onnx',
      data: 'mnist',
      eps: '0.1',
      images: '20',
      'fail-under': '0.99',
      out: 'out $(touch injected)',
      arguments: '--threads 1 --device cpu --eps-curve none',
    };
    const filled = Object.entries(env!).map(([name, value]) => [
      name,
      value.replace(/^\$\{\{ inputs\.([\w-]+) \}\}$/, (_, input: string) => inputs[input]!),
    ]);
    const failed = await promisify(execFile)('bash', ['-eo', 'pipefail', '-c', run!], {
      cwd: folder,
      env: { ...process.env, ...Object.fromEntries(filled), GITHUB_ACTION_PATH: root },
    }).catch((error: unknown) => error as { readonly code: number; readonly stdout: string });
    expect(failed).toMatchObject({ code: 3, stdout: expect.stringContaining('NOT MET: robust accuracy') });
    const audit = JSON.parse(await readFile(join(folder, inputs['out']!, 'audit.json'), 'utf8')) as object;
    expect(audit).toMatchObject({ images: 20, verdict: 'failed' });
    await expect(readFile(join(folder, 'injected'))).rejects.toThrow('ENOENT');
  });

  test('is given only inputs that it has by the example for GitHub', async () => {
    const { jobs } = await read<{ jobs: { audit: { steps: readonly Step[] } } }>('examples/ci/github.yml');
    const given = jobs.audit.steps.find(({ uses }) => uses?.startsWith('OWNER/sparring'))!.with!;
    const required = Object.keys(action.inputs).filter((name) => action.inputs[name]!.required);
    expect(Object.keys(action.inputs)).toEqual(expect.arrayContaining(Object.keys(given)));
    expect(Object.keys(given)).toEqual(expect.arrayContaining(required));
  });

  test('and the example for GitLab use only options that the command has', async () => {
    const texts = await Promise.all(
      ['action.yml', 'examples/ci/gitlab.yml'].map((name) => readFile(join(root, name), 'utf8')),
    );
    const used = texts.flatMap((text) =>
      text
        .split('\n')
        .filter((line) => /arguments\+?=|sparring audit model/.test(line))
        .flatMap((line) => line.match(/--[a-z-]+/g) ?? []),
    );
    const known = auditCommand().options.flatMap(({ long }) => long ?? []);
    expect(used.length).toBeGreaterThan(10);
    expect(used.filter((option) => !known.includes(option))).toEqual([]);
  });
});
