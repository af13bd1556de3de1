import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runLimited } from '../../scripts/gpu-check/part.ts';
import { limitOf, partsFor, usualBudget, type Part } from '../../scripts/gpu-check/parts.ts';
import { root } from '../support/package.ts';

const never = new AbortController().signal;
const node = (code: string): readonly string[] => [process.execPath, '-e', code];

describe.skipIf(process.platform === 'win32')('a part of the GPU check', () => {
  test('that ends well is done, and what it printed is kept', async () => {
    const ending = await runLimited(node('console.log(6 * 7)'), 30, never);
    expect(ending).toMatchObject({ status: 'done', stdout: '42\n' });
    expect(ending).not.toHaveProperty('error');
  });

  test('that fails says why in its own words', async () => {
    const ending = await runLimited(node('console.error("no GPU"); process.exit(3)'), 30, never);
    expect(ending).toMatchObject({ status: 'failed', error: 'no GPU' });
  });

  test('that cannot be started fails', async () => {
    expect(await runLimited(['/no/such/program'], 30, never)).toMatchObject({
      status: 'failed',
      error: expect.stringContaining('ENOENT'),
    });
  });

  test('that takes too long is timed out, however little it listens, and so is what it started', async () => {
    const child = 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)';
    const parent = `
      const { spawn } = require('node:child_process');
      const child = spawn(process.execPath, ['-e', ${JSON.stringify(child)}], { stdio: 'inherit' });
      console.log(child.pid);
      process.on('SIGTERM', () => {});`;
    const ending = await runLimited(node(parent), 2, never);
    expect(ending.status).toBe('timed out');
    expect(ending.seconds).toBeGreaterThanOrEqual(2);
    const isRunning = async (): Promise<boolean> =>
      await readFile(`/proc/${ending.stdout.trim()}/stat`, 'utf8').then(
        (stat) => !/\) [ZX] /.test(stat),
        () => false,
      );
    expect(ending.stdout).toMatch(/^\d+\n$/);
    // where there is no /proc, nothing is found to run
    await expect.poll(isRunning).toBe(false);
  });

  test('is stopped when the check is', async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 200);
    const ending = await runLimited(node('setInterval(() => {}, 1000)'), 30, stop.signal);
    expect(ending.status).toBe('stopped');
  });
});

describe('the limits of the parts', () => {
  const setting = {
    device: 'cuda',
    python: 'python3',
    noTorch: null,
    runs: 'runs',
    scratch: 'scratch',
  } as const;
  const parts = partsFor(setting);

  /** Seconds that the parts take when each takes all that it may. */
  const longest = (budget: number): readonly number[] => {
    let left = budget;
    return parts.map((part, i) => {
      const limit = limitOf(part, parts.slice(i + 1), budget, left);
      left -= limit;
      return limit;
    });
  };

  test('keep to the budget, and leave some of it to every part that has a limit of its own', () => {
    const limits = longest(usualBudget);
    expect(limits.reduce((sum, limit) => sum + limit, 0)).toBeLessThanOrEqual(usualBudget);
    const own = (_: unknown, i: number): boolean => parts[i]!.limit !== null;
    expect(limits.filter(own)).toEqual(parts.map(({ limit }) => limit).filter(own));
  });

  test('leave a minute or more to the paper when every other part takes all that it may', () => {
    expect(longest(usualBudget)[parts.findIndex(({ limit }) => limit === null)]).toBeGreaterThan(60);
  });

  test('give the time that earlier parts did not need to the paper', () => {
    const i = parts.findIndex(({ limit }) => limit === null);
    const reserved = parts.slice(i).reduce((sum, { limit }) => sum + (limit ?? 0), 0);
    expect(limitOf(parts[i]!, parts.slice(i + 1), usualBudget, 500)).toBe(500 - reserved);
  });

  test('are none where there is no PyTorch: what needs it is skipped, the rest runs without', () => {
    const without = partsFor({ ...setting, noTorch: 'there is none' });
    const named = (part: Part): string => part.name;
    expect(without.filter(({ skip }) => skip === 'there is none').map(named)).toEqual([
      'c-step-compiled',
      'a-step-compiled',
    ]);
    expect(without.filter(({ args }) => args.includes('--python'))).toEqual([]);
    expect(parts.filter(({ args }) => args.includes('--python')).length).toBe(3);
  });
});

describe.skipIf(process.platform === 'win32')('the GPU check as it is built', () => {
  let folder: string;
  let app: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sparring-gpu-check-'));
    app = join(folder, 'dist', 'gpu-check');
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
    const build = join(root, 'scripts', 'gpu-check', 'build.ts');
    await promisify(execFile)(process.execPath, ['--import', 'tsx', build, app], {
      cwd: root,
    });
  }, 120_000);
  afterAll(() => rm(folder, { recursive: true }));

  test('runs without TypeScript, and leaves the JSON of every part when there is no time for most', async () => {
    const out = join(folder, 'out');
    const script = join(app, 'scripts', 'gpu-check.js');
    await promisify(execFile)(process.execPath, [script, '--out', out, '--device', 'cpu', '--budget', '25']);
    const names = (await readdir(out)).filter((name) => name.endsWith('.json'));
    const setting = { device: 'cpu', python: undefined, noTorch: '', runs: '', scratch: '' } as const;
    expect(names.toSorted()).toEqual(
      [...partsFor(setting).map(({ name }) => `${name}.json`), 'summary.json'].toSorted(),
    );
    const read = async (name: string): Promise<unknown> =>
      JSON.parse(await readFile(join(out, name), 'utf8'));
    expect(await read('a-step-compiled.json')).toMatchObject({ status: 'skipped', result: null });
    expect(await read('quick.json')).toMatchObject({ command: expect.not.stringContaining(folder) });
    const { parts } = (await read('summary.json')) as { parts: readonly { status: string }[] };
    for (const { status } of parts) expect(['done', 'failed', 'timed out', 'skipped']).toContain(status);
  }, 120_000);

  test('is no part of the package', async () => {
    await copyFile(join(root, 'package.json'), join(folder, 'package.json'));
    const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
    const { stdout } = await promisify(execFile)('npm', args, { cwd: folder });
    const [report] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    expect(report.files.map(({ path }) => path)).toEqual(['package.json']);
  });
});
