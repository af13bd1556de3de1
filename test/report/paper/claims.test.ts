import { describe, expect, it } from 'vitest';
import { judge, type Judgement } from '../../../src/report/paper/judge.ts';
import { trainingCommand } from '../../../src/report/paper/command.ts';
import { joinInputs, parseInput } from '../../../src/report/paper/inputs.ts';
import { renderMarkdown } from '../../../src/report/paper/markdown.ts';
import { threatModels } from '../../../src/report/paper/results.ts';
import { evaluationOf } from '../../support/evaluations.ts';
import { asInThePaper, resultJson, type MadeUp } from '../../support/results.ts';
import { threatHeader } from '../../../src/report/paper/header.ts';
import { threatName } from '../../../src/report/paper/results.ts';

type Settings = Parameters<typeof resultJson>[1];
const judged = (
  cells: readonly MadeUp[],
  settings?: Settings,
  evaluated: readonly MadeUp[] = [],
): ReadonlyMap<string, Judgement> => {
  const [threat] = threatModels(parseInput(resultJson(cells, settings), 'made-up.json').cells);
  const evaluations =
    evaluated.length === 0 ? [] : [{ evaluation: evaluationOf(evaluated), source: 'made-up.json' }];
  return new Map(judge(threat!, evaluations).map((each) => [each.claim.id, each]));
};
const verdicts = (cells: readonly MadeUp[], settings?: Settings) =>
  Object.fromEntries([...judged(cells, settings)].map(([id, { verdict }]) => [id, verdict]));
const changed = (mode: MadeUp['mode'], eps: number, to: Partial<MadeUp>): readonly MadeUp[] =>
  asInThePaper.map((cell) => (cell.mode === mode && cell.eps === eps ? { ...cell, ...to } : cell));

describe('a claim of the paper', () => {
  it('holds for the numbers that the paper gives', () => {
    expect(verdicts(asInThePaper)).toEqual({
      'no-effect': 'yes',
      'first-effect': 'yes',
      transfer: 'yes',
      guessing: 'yes',
      'early-success': 'yes',
      'alternating-protects': 'yes',
      'alternating-helps': 'yes',
    });
  });

  it.each([
    ['no-effect', 'consecutive', 0.02, { c1: 0.96 }],
    ['first-effect', 'consecutive', 0.04, { c1: 0.97 }],
    ['first-effect', 'consecutive', 0.04, { c1: 0.69 }],
    ['first-effect', 'consecutive', 0.04, { c2: 0.9 }],
    ['transfer', 'consecutive', 0.08, { c1: 0.31 }],
    ['transfer', 'consecutive', 0.08, { c2: 0.79 }],
    ['transfer', 'consecutive', 0.08, { c2: 0.95 }],
    ['guessing', 'consecutive', 0.64, { c1: 0.21 }],
    ['alternating-protects', 'alternating', 0.04, { c1: 0.95 }],
    ['alternating-protects', 'alternating', 0.08, { c1: 0.96 }],
    ['alternating-helps', 'alternating', 0.08, { c1: 0.29 }],
  ] as const)('%s holds in part when %s at %d is %o', (id, mode, eps, to) => {
    expect(verdicts(changed(mode, eps, to))[id]).toBe('in part');
  });

  it('is not measured where its cells are missing, and names them', () => {
    const some = judged(asInThePaper.filter(({ mode, eps }) => mode === 'consecutive' && eps === 0.08));
    expect(some.get('no-effect')).toMatchObject({ verdict: 'not measured', criteria: [] });
    expect(some.get('alternating-helps')).toMatchObject({
      verdict: 'not measured',
      missing: ['alternating 0.08'],
    });
    expect(verdicts(asInThePaper.filter(({ eps }) => eps !== 0.64))['guessing']).toBe('yes where measured');
    expect(some.get('transfer')).toMatchObject({ verdict: 'yes', missing: [] });
  });

  it('is judged where it was measured, and its verdict says so', () => {
    const rest = (to: number) =>
      asInThePaper
        .filter(({ eps }) => eps !== 0.02)
        .map((cell) => (cell.eps === 0.01 ? { ...cell, c1: to } : cell));
    expect(verdicts(rest(0.985))['no-effect']).toBe('yes where measured');
    expect(verdicts(rest(0.9))['no-effect']).toBe('no where measured');
  });

  it('about a quarter of the epochs needs four of them', () => {
    expect(judged(asInThePaper, { epochs: 4 }).get('early-success')!.verdict).toBe('yes');
    const short = judged(asInThePaper, { epochs: 3 }).get('early-success')!;
    expect(short).toMatchObject({ verdict: 'not measured', criteria: [] });
    expect(short.missing).toContain('consecutive 0.04');
    expect(short.caveats).toContain('at least 4 attacker epochs are needed');
  });

  it('about alternating training says what other attacks leave', () => {
    const evaluated = asInThePaper.filter(({ eps }) => eps === 0.08);
    const told = judged(asInThePaper, {}, evaluated);
    const caveat =
      'alternating 0.08 was attacked by the attacker that it was trained with; PGD-40 leaves 35.0 % and FGSM leaves 52.0 % of its C1 (first 10,000 test images)';
    expect(told.get('alternating-protects')!.caveats).toContain(caveat);
    expect(told.get('alternating-helps')!.caveats).toContain(caveat);
    expect(told.get('transfer')!.caveats).toEqual(['one seed']);
    expect(judged(asInThePaper, { clip: true }, evaluated).get('alternating-helps')!.caveats).not.toContain(
      caveat,
    );
  });

  it('says in what its cells differ from the paper', () => {
    const short = judged(asInThePaper, { epochs: 5, testLimit: 1000 });
    expect(short.get('transfer')!.caveats).toEqual([
      "consecutive: 20 + 5 epochs instead of the paper's 20 + 20",
      '1,000 test images of 10,000',
      'one seed',
    ]);
    expect(judged(asInThePaper).get('transfer')!.caveats).toEqual(['one seed']);
  });

  it('is about the mean of the seeds, and says their range', () => {
    const seeds = [0.1, 0.2, 0.3].map((c1, i): MadeUp => ({
      mode: 'consecutive',
      eps: 0.08,
      c1,
      c2: 0.9,
      seed: i,
    }));
    const [first] = judged(seeds).get('transfer')!.criteria;
    expect(first).toMatchObject({ holds: true, measured: '20.0 % (3 seeds, 10.0 to 30.0)' });
  });
});

it('an attacker that was trained against a given classifier stands by itself, with the command that trains it', () => {
  const json = JSON.parse(resultJson(asInThePaper.slice(3, 4))) as { config: Record<string, unknown> };
  json.config['against'] = { source: 'runs/a/classifier-c1.onnx', sha256: 'd'.repeat(64) };
  json.config['classifierEpochs'] = { consecutive: 0 };
  const { cells } = joinInputs([
    parseInput(resultJson(asInThePaper), 'made-up.json'),
    parseInput(JSON.stringify(json), 'fresh.json'),
  ]);
  const [own, fresh] = threatModels(cells);
  expect(own!.cells).toHaveLength(asInThePaper.length);
  expect(fresh!.cells).toHaveLength(1);
  expect(judge(own!)).toHaveLength(7);
  expect(judge(fresh!)).toEqual([]);
  expect(threatName(fresh!)).toBe('unclipped, tanh bound, against runs/a/classifier-c1.onnx');
  const command = trainingCommand(fresh!.cells[0]!);
  expect(command).toContain('--against runs/a/classifier-c1.onnx');
  expect(command).not.toContain('--classifier-epochs');
  const text = renderMarkdown(
    { cells: fresh!.cells, evaluations: [], results: [], withstands: [] },
    'results',
  );
  expect(text).toContain(`The classifier is \`runs/a/classifier-c1.onnx\`, SHA-256 \`${'d'.repeat(64)}\`.`);
  expect(text).not.toContain('reproduced?');
});

it('cells that read the paper otherwise stand by themselves, judged and with their readings named', async () => {
  const json = JSON.parse(resultJson(asInThePaper.slice(3, 4))) as { config: Record<string, unknown> };
  json.config['readings'] = ['dcgan', 'batch-statistics'];
  const { cells } = joinInputs([
    parseInput(resultJson(asInThePaper), 'made-up.json'),
    parseInput(JSON.stringify(json), 'other.json'),
  ]);
  const [own, other] = threatModels(cells);
  expect(own!.cells).toHaveLength(asInThePaper.length);
  expect(threatName(other!)).toBe('unclipped, tanh bound, read with batch-statistics, dcgan');
  expect(judge(other!).flatMap(({ caveats }) => caveats)).toContain('read with batch-statistics, dcgan');
  expect(
    judge(own!)
      .flatMap(({ caveats }) => caveats)
      .join(),
  ).not.toContain('read with');
  expect(trainingCommand(other!.cells[0]!)).toContain('--reading dcgan,batch-statistics');
  const header = String(await threatHeader(other!.cells));
  expect(header).toContain(
    'batch-statistics: every network normalises by the batch, also when it is measured',
  );
  expect(String(await threatHeader(own!.cells))).not.toContain('readings');
});
