import { z } from 'zod';
import type { LossName } from '../attacks/index.ts';
import { firstOf, limit, type ImageSource } from '../data/source.ts';
import type { SessionOptions } from '../session.ts';
import { attackWith, summary, talliesOf, type Asked } from './attacked.ts';
import type { Cell } from './cells.ts';
import { checkClassifier, type Finding } from '../audit/classifier-checks.ts';
import { kept, type Journal } from './journal.ts';
import { openOracle, type OpenOracle } from '../audit/oracle.ts';
import { Sessions, type MakeGradient } from './sessions.ts';
import type { AttackName, AttackSettings } from '../audit/schema.ts';
import { StoredTally, type Tally } from '../audit/tally.ts';
import type { Curve, Doubling, MeasuredCell, Warning } from './evaluation.ts';

/** Which examples C1, which the attacks know, has right, and C2, if there is one. */
export interface Judged {
  readonly c1: Tally;
  readonly c2?: Tally;
}

/** The same of untouched images and of each attack. */
export type Attacked = ReadonlyMap<'clean' | AttackName, Judged>;

type Classifiers = Asked<{ readonly c1: OpenOracle; readonly c2?: OpenOracle }>;

export interface EvaluateCellsOptions extends SessionOptions {
  readonly makeGradient: MakeGradient;
  /** The operators at which a classifier's gradient ends, where it is zero by construction; null where it is not. */
  readonly gradientEnds: (classifier: Uint8Array) => readonly string[] | null;
  /** Finished parts of an interrupted evaluation with the same settings. */
  readonly journal: Journal;
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
 * accuracy against eps. The same settings give the same numbers on the same device and thread count. What the journal has
 * is taken from there, and what is finished goes into it, an attack at a time.
 */
export async function* evaluateCells(
  cells: readonly Cell[],
  split: ImageSource,
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
      let opened: Classifiers | undefined;
      const work: CellWork = {
        cell,
        split,
        options,
        classifiers: async () => (opened ??= await open(cell, split, sessions, options)),
      };
      const found = yield* attackCell(work);
      attacked.push(found);
      const c2 = talliesOf(found, 'c2');
      results.push({
        ...keyOf(cell),
        models: modelsOf(cell),
        c1: summary(talliesOf(found, 'c1')!, 'white-box'),
        ...(c2 && { c2: summary(c2, 'transfer') }),
      });
      doublings.push(...(yield* doubled(work, found)));
      if (drawn.has(`${cell.models.c1} ${cell.clip}`)) continue;
      drawn.add(`${cell.models.c1} ${cell.clip}`);
      curves.push(...(yield* curvesOf(work)));
    } finally {
      await sessions.close();
    }
  }
  return { cells: results, attacked, curves, doublings };
}

/**
 * Looks at each distinct classifier, on the first images, for what makes one seem robust that is not: gradients of zero,
 * probabilities in the place of logits, answers that do not depend on the image or are not numbers.
 */
export async function checkCells(
  cells: readonly Cell[],
  split: ImageSource,
  options: SessionOptions & Pick<EvaluateCellsOptions, 'makeGradient' | 'gradientEnds'>,
): Promise<readonly Warning[]> {
  const batch = await firstOf(split, checkedImages);
  const findings = new Map<string, readonly Finding[]>();
  const check = async (cell: Cell, name: 'c1' | 'c2'): Promise<readonly Finding[]> => {
    const key = `${name} ${cell.models[name]}`;
    const known = findings.get(key);
    if (known) return known;
    const classifier = await cell.load(name);
    // attacks take the gradient of C1 alone
    const gradient = name === 'c1' && { gradient: gradientOf(classifier, options) };
    const ends = name === 'c1' ? options.gradientEnds(classifier) : null;
    const oracle = await openOracle({ classifier, ...sizesOf(split), ...gradient }, options);
    try {
      const found = await checkClassifier(oracle, batch, ends);
      findings.set(key, found);
      return found;
    } finally {
      await oracle.close();
    }
  };
  const warnings: Warning[] = [];
  for (const cell of cells) {
    for (const classifier of cell.hasTransfer ? (['c1', 'c2'] as const) : (['c1'] as const)) {
      for (const found of await check(cell, classifier)) {
        warnings.push({ check: found.check, folder: cell.folder, classifier, message: found.message });
      }
    }
  }
  return warnings;
}

const checkedImages = 100;

/** A cell to be evaluated; its models are opened when the first attack needs them. */
interface CellWork {
  readonly cell: Cell;
  readonly split: ImageSource;
  readonly options: EvaluateCellsOptions;
  readonly classifiers: () => Promise<Classifiers>;
}

const keyOf = ({ folder, mode, eps, seed, bound, clip }: Cell) => ({ folder, mode, eps, seed, bound, clip });

const modelsOf = ({ models: { c1, c2, attacker }, hasTransfer }: Cell) => ({
  c1,
  ...(hasTransfer && { c2 }),
  attacker,
});

async function open(
  cell: Cell,
  split: ImageSource,
  sessions: Sessions,
  options: EvaluateCellsOptions,
): Promise<Classifiers> {
  const classifier = await cell.load('c1');
  const known = {
    ...sizesOf(split),
    classifier,
    gradient: gradientOf(classifier, options),
    ...(options.attacks.some(({ attack }) => attack === 'attacker') && {
      generator: { attacker: await cell.load('attacker'), eps: cell.eps },
    }),
  };
  const other = cell.hasTransfer && { ...sizesOf(split), classifier: await cell.load('c2') };
  const c1 = await sessions.add(openOracle(known, options));
  const c2 = other && (await sessions.add(openOracle(other, options)));
  return { known: c1, judges: { c1, ...(c2 && { c2 }) } };
}

const sizesOf = ({ shape, classes }: ImageSource) => ({ image: shape, classes: classes.length });

const gradientOf =
  (classifier: Uint8Array, { makeGradient }: Pick<EvaluateCellsOptions, 'makeGradient'>) =>
  (loss: LossName) =>
    makeGradient(classifier, loss);

const StoredJudged: z.ZodType<Judged> = z.strictObject({ c1: StoredTally, c2: StoredTally.exactOptional() });

async function* attackCell(work: CellWork): AsyncGenerator<EvaluationProgress, Attacked> {
  const { cell, split, options, classifiers } = work;
  const attacked = new Map<'clean' | AttackName, Judged>();
  for (const settings of [null, ...options.attacks]) {
    const name = settings?.attack ?? 'clean';
    const title = `${cell.folder} ${name}`;
    const judged = yield* kept(options.journal, title, StoredJudged, async function* () {
      return yield* reported(
        title,
        { total: split.count },
        attackWith(split, await classifiers(), cell, settings),
      );
    });
    attacked.set(name, judged);
  }
  return attacked;
}

/** Work on images as progress: `before` of `total` are done already. */
async function* reported<T>(
  title: string,
  { before = 0, total }: { readonly before?: number; readonly total: number },
  work: AsyncGenerator<number, T>,
): AsyncGenerator<EvaluationProgress, T> {
  yield { title, done: before, total };
  for (;;) {
    const next = await work.next();
    if (next.done) return next.value;
    yield { title, done: before + next.value, total };
  }
}

/** PGD with twice the steps, beside what it left of the same images with the steps as they are. */
async function* doubled(
  { cell, classifiers, split, options }: CellWork,
  found: Attacked,
): AsyncGenerator<EvaluationProgress, readonly Doubling[]> {
  const settings = options.attacks.find((each) => each.attack === 'pgd');
  if (!settings || options.doublingImages === 0) return [];
  const images = Math.min(options.doublingImages, split.count);
  const steps = 2 * settings.steps;
  const some = limit(split, images);
  const title = `${cell.folder} pgd with ${steps} steps`;
  const more = yield* kept(options.journal, title, StoredJudged, async function* () {
    const twice = { ...settings, steps, stepSize: settings.stepSize / 2 };
    return yield* reported(title, { total: images }, attackWith(some, await classifiers(), cell, twice));
  });
  const before = found.get('pgd')!.c1.right.subarray(0, images);
  const accuracy = before.reduce((sum, right) => sum + right, 0) / images;
  const after = more.c1.measure().accuracy;
  return [{ folder: cell.folder, images, steps: settings.steps, accuracy, doubled: after }];
}

async function* curvesOf({
  cell,
  classifiers,
  split,
  options,
}: CellWork): AsyncGenerator<EvaluationProgress, readonly Curve[]> {
  const settings = options.attacks.filter((each) => each.attack !== 'attacker');
  const images = Math.min(options.curveImages, split.count);
  const some = limit(split, images);
  const points: { readonly eps: number; readonly attack: Curve['attack']; readonly judged: Judged }[] = [];
  for (const eps of options.curve) {
    const title = `${cell.folder} curve at eps ${eps}`;
    const total = settings.length * images;
    for (const [i, each] of settings.entries()) {
      const part = `${title} ${each.attack}`;
      const judged = yield* kept(options.journal, part, StoredJudged, async function* () {
        const work = attackWith(some, await classifiers(), { eps, clip: cell.clip }, each);
        return yield* reported(title, { before: i * images, total }, work);
      });
      points.push({ eps, attack: each.attack, judged });
    }
  }
  if (points.length === 0) return [];
  const drawn = cell.hasTransfer ? (['c1', 'c2'] as const) : (['c1'] as const);
  return drawn.flatMap((classifier) =>
    settings.map(({ attack }) => ({
      folder: cell.folder,
      classifier,
      model: cell.models[classifier],
      knowledge: classifier === 'c1' ? ('white-box' as const) : ('transfer' as const),
      attack,
      clip: cell.clip,
      images,
      points: points
        .filter((point) => point.attack === attack)
        .map(({ eps, judged }) => ({ eps, ...judged[classifier]!.measure() })),
    })),
  );
}
