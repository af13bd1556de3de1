import type { LossName } from '../attacks/index.ts';
import type { Split } from '../datasets/index.ts';
import { limit } from '../datasets/index.ts';
import type { SessionOptions } from '../session.ts';
import { attackAll, summary, type Attacked } from './attacked.ts';
import type { Cell } from './cells.ts';
import { openOracle } from './oracle.ts';
import { Sessions, type MakeGradient, type Players } from './players.ts';
import type { AttackSettings, Curve, Doubling, MeasuredCell } from './schema.ts';

export interface EvaluateCellsOptions extends SessionOptions {
  readonly makeGradient: MakeGradient;
  readonly attacks: readonly AttackSettings[];
  /** Eps of the curves' points, rising; none for no curves. */
  readonly curve: readonly number[];
  /** First images of the split that curves are measured on. */
  readonly curveImages: number;
  /** First images of the split on which PGD is repeated with twice the steps. */
  readonly doublingImages: number;
}

/** How far an evaluation has come. */
export interface EvaluationProgress {
  readonly title: string;
  /** Images. */
  readonly done: number;
  readonly total: number;
}

/** What evaluating the cells of a run gives. */
export interface CellsEvaluation {
  readonly cells: readonly MeasuredCell[];
  /** Which examples each classifier has right, in the order of the cells. */
  readonly attacked: readonly Attacked[];
  readonly curves: readonly Curve[];
  readonly doublings: readonly Doubling[];
}

/**
 * Every attack against C1 of every cell at the cell's eps, and what of it carries over to C2; then, once for each C1,
 * accuracy against eps. The same settings give the same numbers on the same device and thread count.
 */
export async function* evaluateCells(
  cells: readonly Cell[],
  split: Split,
  options: EvaluateCellsOptions,
): AsyncGenerator<EvaluationProgress, CellsEvaluation> {
  const results: MeasuredCell[] = [];
  const attacked: Attacked[] = [];
  const curves: Curve[] = [];
  const doublings: Doubling[] = [];
  const drawn = new Set<string>();
  for (const cell of cells) {
    const sessions = new Sessions(options);
    try {
      const players = await open(cell, split, sessions, options);
      const title = `${cell.folder} ${options.attacks.map(({ attack }) => attack).join(', ')}`;
      const found = yield* reported(title, split, attackAll(split, players, cell, options.attacks));
      attacked.push(found);
      results.push({
        ...keyOf(cell),
        models: cell.models,
        c1: summary(found.c1, 'white-box'),
        c2: summary(found.c2, 'transfer'),
      });
      doublings.push(...(yield* doubled(cell, players, split, found, options)));
      if (drawn.has(`${cell.models.c1} ${cell.clip}`)) continue;
      drawn.add(`${cell.models.c1} ${cell.clip}`);
      curves.push(...(yield* curvesOf(cell, players, split, options)));
    } finally {
      await sessions.close();
    }
  }
  return { cells: results, attacked, curves, doublings };
}

const keyOf = ({ folder, mode, eps, seed, bound, clip }: Cell) => ({ folder, mode, eps, seed, bound, clip });

async function open(
  cell: Cell,
  { height, width, classes }: Split,
  sessions: Sessions,
  options: EvaluateCellsOptions,
): Promise<Players> {
  const what = { image: { channels: 1, height, width }, classes };
  const [c1, c2] = [await cell.load('c1'), await cell.load('c2')];
  const known = {
    ...what,
    classifier: c1,
    gradient: (loss: LossName) => options.makeGradient(c1, loss),
    ...(options.attacks.some(({ attack }) => attack === 'attacker') && {
      generator: { attacker: await cell.load('attacker'), eps: cell.eps },
    }),
  };
  return {
    known: await sessions.add(openOracle(known, options)),
    other: await sessions.add(openOracle({ ...what, classifier: c2 }, options)),
  };
}

async function* reported<T>(
  title: string,
  { count: total }: Split,
  work: AsyncGenerator<number, T>,
): AsyncGenerator<EvaluationProgress, T> {
  yield { title, done: 0, total };
  for (;;) {
    const next = await work.next();
    if (next.done) return next.value;
    yield { title, done: next.value, total };
  }
}

/** PGD with twice the steps, beside what it left of the same images with the steps as they are. */
async function* doubled(
  cell: Cell,
  players: Players,
  split: Split,
  found: Attacked,
  { attacks, doublingImages }: EvaluateCellsOptions,
): AsyncGenerator<EvaluationProgress, readonly Doubling[]> {
  const settings = attacks.find((each) => each.attack === 'pgd');
  if (!settings || doublingImages === 0) return [];
  const images = Math.min(doublingImages, split.count);
  const steps = 2 * settings.steps;
  const some = limit(split, images);
  const more = yield* reported(
    `${cell.folder} pgd with ${steps} steps`,
    some,
    attackAll(some, players, cell, [{ ...settings, steps, stepSize: settings.stepSize / 2 }]),
  );
  const before = found.c1.get('pgd')!.right.subarray(0, images);
  const accuracy = before.reduce((sum, right) => sum + right, 0) / images;
  const after = more.c1.get('pgd')!.measure().accuracy;
  return [{ folder: cell.folder, images, steps: settings.steps, accuracy, doubled: after }];
}

async function* curvesOf(
  cell: Cell,
  players: Players,
  split: Split,
  { attacks, curve: grid, curveImages }: EvaluateCellsOptions,
): AsyncGenerator<EvaluationProgress, readonly Curve[]> {
  const names = ['noise', 'fgsm', 'pgd'] as const;
  const settings = attacks.filter(({ attack }) => attack !== 'attacker');
  const images = Math.min(curveImages, split.count);
  const some = limit(split, images);
  const points: { readonly eps: number; readonly found: Attacked }[] = [];
  for (const eps of settings.length === 0 ? [] : grid) {
    const work = attackAll(some, players, { eps, clip: cell.clip }, settings);
    points.push({ eps, found: yield* reported(`${cell.folder} curve at eps ${eps}`, some, work) });
  }
  if (points.length === 0) return [];
  return (['c1', 'c2'] as const).flatMap((classifier) =>
    names
      .filter((name) => settings.some(({ attack }) => attack === name))
      .map((attack) => ({
        folder: cell.folder,
        classifier,
        model: cell.models[classifier],
        knowledge: classifier === 'c1' ? ('white-box' as const) : ('transfer' as const),
        attack,
        clip: cell.clip,
        images,
        points: points.map(({ eps, found }) => ({ eps, ...found[classifier].get(attack)!.measure() })),
      })),
  );
}
