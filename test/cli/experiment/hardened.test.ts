import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { programsFor } from '../../../src/cli/experiment/programs.ts';
import { limit } from '../../../src/runtime/data/source.ts';
import { hardenC1, hardenedWeights } from '../../../src/runtime/experiment/hardening.ts';
import {
  cellFolder,
  cellsOf,
  classifierCheckpoint,
  ClassifierRecord,
  classifiersOf,
  configHash,
  loadCheckpoint,
  loadDigits,
  openRun,
  readResult,
  runFolder,
  type CellConfig,
  type Result,
  type Tensors,
} from '../../../src/runtime/index.ts';
import { loadHardening, saveHardening } from '../../../src/runtime/training/harden-checkpoint.ts';
import type { HardenCheckpoint } from '../../../src/runtime/training/harden.ts';
import { command } from '../../support/command.ts';

const folder = mkdtempSync(join(tmpdir(), 'sparring-hardened-'));
const run = join(folder, 'run');
const [plain, hardened] = ['consecutive-eps0.1-seed1', 'hardened-eps0.1-seed1'];
const settings =
  '--device cpu --threads 1 --batch-size 40 --train-limit 100 --test-limit 40 --eps 0.1 --classifier-epochs 2 --attacker-epochs 1';
let result: Result;

const read = (...path: readonly string[]): Buffer => readFileSync(join(run, ...path));
const resultOf = async (): Promise<Result> => (await readResult(runFolder(run)))!;

beforeAll(async () => {
  const words = ['train', ...settings.split(' '), '--defence', 'fast', '--defence-epochs', '2', '--out', run];
  const { code, stderr } = await command(...words);
  if (code !== 0) throw new Error(stderr);
  result = await resultOf();
}, 240_000);
afterAll(() => rmSync(folder, { recursive: true }));

type Work = (from: HardenCheckpoint | null, signal?: AbortSignal) => ReturnType<typeof hardenC1>;

/** The hardened cell of the run, and its hardening once more. */
async function hardening(): Promise<{
  readonly cell: CellConfig;
  readonly c1: Tensors;
  readonly work: Work;
}> {
  const cells = cellsOf((await openRun(run)).config);
  const cell = cells.find(({ mode }) => mode === 'hardened')!;
  const own = classifiersOf(cells)[0]!;
  const begin = await loadCheckpoint(classifierCheckpoint(run, own), configHash(own), ClassifierRecord);
  const c1 = begin!.states.get('c1')!;
  const programs = programsFor(cell);
  const train = limit((await loadDigits('mnist')).train, cell.trainLimit!);
  const work: Work = (from, signal) =>
    hardenC1({
      config: cell,
      train,
      programs: { ...programs.hardening!, classifierModel: programs.classifierModel },
      c1,
      from,
      runTime: 0,
      ...(signal && { signal }),
    });
  return { cell, c1, work };
}

/** Where a hardening stands that is stopped after so many events. */
async function interrupted(work: Work, after: number): Promise<HardenCheckpoint> {
  const controller = new AbortController();
  if (after === 0) controller.abort();
  let events = 0;
  for await (const event of work(null, controller.signal)) {
    if (++events === after) controller.abort();
    if (event.kind === 'interrupted') return event.checkpoint;
  }
  return expect.fail('it was not interrupted');
}

describe('a run with --defence', () => {
  it('has a hardened cell beside the others: its own C1 and attacker, and the same C2', () => {
    expect(result.runs.map((cell) => cell.folder)).toEqual([plain, hardened]);
    expect(result.config).toMatchObject({
      modes: ['consecutive', 'hardened'],
      defence: { method: 'fast', epochs: 2, steps: 1, stepSize: 1.25, start: 1, beta: 0 },
    });
    const [first, second] = result.runs;
    expect(first).not.toHaveProperty('hardening');
    expect(second!.hardening!.map(({ epoch, eps }) => [epoch, eps])).toEqual([
      [1, 0.1],
      [2, 0.1],
    ]);
    expect(second!.hardening![0]!.train.loss).toBeGreaterThan(0);
    expect(second!.epochs.map(({ phase }) => phase)).toEqual(['classifier', 'classifier', 'attacker']);
    expect(second!.models.c2).toBe(first!.models.c2);
    expect(second!.models.c1).not.toBe(first!.models.c1);
    expect(second!.models.attacker).not.toBe(first!.models.attacker);
  });

  it('writes the epochs of the hardening into the metrics of its cell', () => {
    const lines = read('metrics.jsonl').toString().trim().split('\n');
    const own = lines
      .map((line) => JSON.parse(line) as { readonly cell: string; readonly phase: string })
      .filter(({ cell }) => cell === hardened);
    expect(own.map(({ phase }) => phase)).toEqual([
      'classifier',
      'classifier',
      'hardening',
      'hardening',
      'attacker',
    ]);
  });

  it('is resumed to the same bits in the middle of a hardening', async () => {
    const metrics = read('metrics.jsonl');
    const paths = cellFolder(run, result.runs[1]!);
    const { cell, work } = await hardening();
    // the first epoch is whole, the second begun
    const kept = await interrupted(work, 5);
    expect(kept.records).toHaveLength(1);
    await saveHardening(paths.hardening, kept, configHash(cell));
    for (const path of [join(run, 'result.json'), paths.checkpoint]) rmSync(path);
    expect((await command('train', '--resume', run)).code).toBe(0);
    expect((await resultOf()).runs).toEqual(result.runs);
    expect(read('metrics.jsonl').equals(metrics)).toBe(true);
  });

  it('is evaluated, reported and exported', async () => {
    const evaluated = await command(
      'evaluate',
      run,
      ...'--attacks fgsm,attacker --eps-curve none --test-limit 20 --device cpu --threads 1'.split(' '),
    );
    expect(evaluated).toMatchObject({ code: 0 });
    expect(evaluated.stdout).toContain(hardened);
    const page = read('report.html').toString();
    expect(page).toContain('C1 on images under gradient attacks (fast, 2 epochs)');
    expect(page).toContain('--mode hardened --eps 0.1');
    expect(page).toContain('--defence fast --defence-epochs 2');
    const out = join(folder, 'exported');
    const words = ['export', '--ort-training', '--run', run, '--model', 'classifier', out];
    const several = await command(...words);
    expect(several.stderr).toContain(`say which by --cell: ${plain}, ${hardened}`);
    expect(await command(...words, '--cell', hardened!)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`trained weights of c1 in ${run}, ${hardened}`) as string,
    });
  });

  it('is reported together with a run of another defence', async () => {
    const other = join(folder, 'other');
    const words = '--mode hardened --defence pgd --defence-epochs 1'.split(' ');
    expect(await command('train', ...settings.split(' '), ...words, '--out', other)).toMatchObject({
      code: 0,
    });
    const both = join(folder, 'both');
    expect(await command('report', run, other, '--out', both)).toMatchObject({ code: 0, stderr: '' });
    const page = readFileSync(join(both, 'report.html'), 'utf8');
    for (const method of ['fast', 'pgd']) {
      // overview, every cell
      expect(page.split(`>hardened (${method})</th>`)).toHaveLength(3);
      expect(page).toContain(`Picture of samples, ${hardened} (${method})`);
    }
    await command('report', run, other, '--out', both, '--markdown');
    const table = readFileSync(join(both, 'README.md'), 'utf8');
    expect(table).toMatch(/\| hardened \(fast\) \| 0\.1 \|.*--defence fast --defence-epochs 2/);
    expect(table).toMatch(/\| hardened \(pgd\) \| 0\.1 \|.*--defence pgd --defence-epochs 1/);
  });

  it.for<readonly [readonly string[], string]>([
    [['--defence-epochs', '2'], '--defence-epochs goes with --defence, which says how C1 is hardened'],
    [
      ['--defence', 'pgd', '--reading', 'batch-statistics'],
      '--reading batch-statistics does not go with hardened cells: hardening keeps the running statistics; leave one out',
    ],
    [['--defence', 'pgd', '--against', 'x.onnx'], '--against trains no classifier; leave out --defence'],
    [
      ['--mode', 'hardened', '--against', 'x.onnx'],
      '--against trains no classifier; leave out --mode hardened',
    ],
    [
      ['--defence', 'pgd', '--batch-size', '95'],
      '--batch-size 95 is more than the 90 images of 100 that hardening trains on; take a smaller one',
    ],
  ])('rejects %j', async ([words, message]) => {
    // --against takes no options of classifiers
    const own = words.includes('--against') ? settings.replace('--classifier-epochs 2 ', '') : settings;
    const { code, stderr } = await command('train', ...own.split(' '), ...words, '--out', join(folder, 'x'));
    expect({ code, stderr }).toEqual({ code: 2, stderr: `sparring: ${message}\n` });
  });
});

describe('the hardening of C1', () => {
  it('begins with the weights after the clean epochs, and with an optimizer that has not moved', async () => {
    const { c1, work } = await hardening();
    const { state } = await interrupted(work, 0);
    for (const [name, { data }] of state) {
      const begin = name.startsWith('classifier/') ? c1.get(name)!.data : data.map(() => 0 as never);
      expect([name, data]).toEqual([name, begin]);
    }
    expect([...state.keys()]).toContain('adam/m/classifier/conv1/weight');
  });

  it.for([1, 3, 5])('gives the same bits when it is interrupted after event %d and resumed', async (at) => {
    const { cell, work } = await hardening();
    let last = await interrupted(work, at);
    for await (const event of work(last)) if (event.kind === 'done') last = event.checkpoint;
    const whole = await loadHardening(cellFolder(run, cell).hardening, configHash(cell));
    expect(last.records).toEqual(whole!.records);
    expect(hardenedWeights(last)).toEqual(hardenedWeights(whole!));
  });
});
