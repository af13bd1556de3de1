import {
  answersOnly,
  attackOf,
  drawsOf,
  type Batch,
  type Configured,
  type Draws,
  type Gradient,
  type Images,
  type Oracle,
} from '../attacks/index.ts';
import { rowOf, stacked } from '../attacks/images.ts';
import { moves } from '../attacks/square-moves.ts';

/** Attacks that look for a counterexample, one after the other. */
export interface Stage {
  readonly use: Configured;
  /** Random beginnings that are tried side by side. */
  readonly rows: number;
  /** Towards every other class, or away from the label. */
  readonly goal: 'untargeted' | 'targeted';
  /** Whether it follows the least condition of a conjunction, or all of them at once. */
  readonly slope: 'least' | 'soft';
  /** Where it begins: in the middle of the cube, or at corners that are stripes as an image. */
  readonly from: 'middle' | 'stripes';
}

const apgd = (loss: 'ce' | 'margin', steps: number, rows: number, goal: Stage['goal']): Stage => ({
  use: { attack: 'apgd', settings: { loss, steps, restarts: 1 } },
  rows,
  goal,
  slope: 'least',
  from: 'middle',
});

const square = (queries: number, rows: number): Stage => ({
  use: { attack: 'square', settings: { queries, part: 0.8, shrinkOver: null, restarts: 1 } },
  rows,
  goal: 'untargeted',
  slope: 'least',
  from: 'middle',
});

const adam = (steps: number, rows: number): Stage => ({
  use: { attack: 'pgd-adam', settings: { steps, stepSize: 0.5, decay: 0.98, restarts: 1 } },
  rows,
  goal: 'targeted',
  slope: 'least',
  from: 'middle',
});

/**
 * Steps along the sign of the gradient from corners that are stripes as an image. One instance of mnist_fc fell to these
 * alone; they were found by trying starts on it.
 */
const fromStripes: Stage = {
  use: { attack: 'mi-fgsm', settings: { steps: 60, stepSize: 0.5, decay: 0 } },
  rows: 16,
  goal: 'untargeted',
  slope: 'least',
  from: 'stripes',
};

/**
 * Where the least of several conditions becomes another at each step, the steps end where they are equally far from being
 * met. One instance of marabou-cifar10 falls only to steps that heed all of them.
 */
const soft = (steps: number, rows: number): Stage => ({
  ...apgd('margin', steps, rows, 'targeted'),
  slope: 'soft',
});

/** What finds the easy ones comes first. */
export const stages: readonly Stage[] = [
  { use: { attack: 'fgsm', settings: {} }, rows: 1, goal: 'targeted', slope: 'least', from: 'middle' },
  apgd('margin', 50, 1, 'targeted'),
  square(300, 4),
  fromStripes,
  soft(100, 8),
  adam(60, 4),
  apgd('margin', 100, 4, 'targeted'),
  square(3000, 8),
  adam(200, 16),
];

/**
 * Looks for an image of the unit cube that is not of class 0. Every answer that the attacks get is looked at, so that the
 * search ends with the first one that shows a counterexample.
 *
 * @param oracle of images in 0..1, all of which should be of class 0.
 * @param confirms whether an image that the oracle gives another class is one: the last word.
 * @param soft the gradient that soft stages follow; without it they are left out.
 * @param until the time, as `performance.now()` tells it, after which no further step is taken.
 * @returns null where none was found, which does not say that there is none.
 */
export async function searchCube(
  oracle: Oracle,
  stages: readonly Stage[],
  confirms: (image: Float32Array) => Promise<boolean>,
  { seed, until, soft }: { readonly seed: number; readonly until: number; readonly soft?: Gradient },
): Promise<Float32Array | null> {
  let found: Float32Array | null = null;
  const looked = async ({ data: images, shape }: Images, { data, shape: [, classes] }: Logits) => {
    const size = images.length / shape[0];
    for (let row = 0; row < shape[0] && !found; row++) {
      const own = data.subarray(row * classes, (row + 1) * classes);
      if (!own.subarray(1).some((z) => z >= own[0]!)) continue;
      const image = images.slice(row * size, (row + 1) * size);
      if (await confirms(image)) found = image;
    }
  };
  const watched: Oracle = {
    ...answersOnly(oracle),
    async logits(images) {
      const logits = await oracle.logits(images);
      await looked(images, logits);
      return logits;
    },
    ...(oracle.gradient && {
      async gradient(batch, loss) {
        const slope = await oracle.gradient!(batch, loss);
        await looked(batch.images, slope.logits);
        return slope;
      },
    }),
  };
  const softly: Oracle = {
    ...watched,
    ...(soft && {
      async gradient(batch, loss) {
        // the soft answers say less than there is to be seen
        await watched.logits(batch.images);
        return await soft(batch, loss);
      },
    }),
  };
  for (const [number, stage] of stages.entries()) {
    const { attack, settings } = stage.use;
    const isSoft = stage.slope === 'soft';
    if (attackOf(attack).access === 'gradient' && !(isSoft ? soft : oracle.gradient)) continue;
    const random = drawsOf(seed, `${number}`);
    const work = attackOf(attack).run(
      isSoft ? softly : watched,
      batchOf(oracle, stage, random),
      // all of the cube is this near
      { norm: 'linf', eps: stage.from === 'middle' ? 0.5 : 1, range: [0, 1], goal: stage.goal },
      settings as never,
      random,
    );
    for (let next = await work.next(); !next.done; next = await work.next()) {
      if (found || performance.now() > until) {
        await work.return(undefined as never);
        return found;
      }
    }
    if (found) return found;
  }
  return null;
}

/** Where a stage begins, once for each beginning, or for each other class. */
function batchOf(
  { image: { channels, height, width }, classes }: Oracle,
  { rows, goal, from }: Stage,
  random: Draws,
): Batch {
  const others = classes - 1;
  const count = goal === 'targeted' ? rows * others : rows;
  const middle: Images = {
    data: new Float32Array(count * channels * height * width).fill(0.5),
    shape: [count, channels, height, width],
  };
  return {
    images: from === 'middle' ? middle : stripesOf(middle, random),
    labels: new Int32Array(count),
    ...(goal === 'targeted' && { targets: Int32Array.from({ length: count }, (_, i) => 1 + (i % others)) }),
    places: Int32Array.from({ length: count }, (_, i) => i),
  };
}

/** Images of stripes, as Square begins with them. */
const stripesOf = (middle: Images, random: Draws): Images =>
  stacked(
    Array.from({ length: middle.shape[0] }, (_, row) =>
      moves.linf.begin(
        rowOf(middle, row),
        { norm: 'linf', eps: 0.5, range: [0, 1], goal: 'untargeted' },
        random.own(['stripes'], row),
      ),
    ),
  );

type Logits = Awaited<ReturnType<Oracle['logits']>>;
