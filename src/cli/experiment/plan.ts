import type { Overall } from '../progress.ts';
import {
  cellName,
  cellsOf,
  classifiersName,
  classifiersOf,
  type CellConfig,
  type Network,
  type RunConfig,
} from '../../runtime/index.ts';
import { validationOf } from '../../runtime/training/harden.ts';

/** A task of a run, as its progress is shown: an epoch of some networks, or a test after it. */
export interface PlannedTask {
  /** The folder of the cell or the classifiers. */
  readonly training: string;
  /** `C1 epoch 1/2`, `test`. */
  readonly title: string;
  readonly images: number;
  /** Tasks of one kind take the same time an image. */
  readonly kind: keyof typeof guesses;
}

/** How long an image of each kind takes, in any unit: a guess for kinds that have not been measured yet. */
const guesses = {
  classifier: 1,
  attacker: 8,
  alternating: 9,
  hardening: 6,
  test: 0.7,
  attacked: 1.5,
  judged: 8,
} as const;

/** `target2` is told as `target 2`. */
const nameOf = (network: Network): string =>
  network === 'c1' || network === 'c2' ? network.toUpperCase() : network.replace('target', 'target ');

/** What an epoch is called. */
export const epochTitle = (networks: readonly Network[], epoch: number, epochs: number): string =>
  `${networks.map(nameOf).join(' and ')} epoch ${epoch}/${epochs}`;

/** What a test after an epoch is called. */
export const testTitle = 'test';

/** The tasks of a run, in order, as `sweep` does them. */
export function planOf(
  config: RunConfig,
  images: { readonly train: number; readonly test: number },
): PlannedTask[] {
  const cells = cellsOf(config);
  const epochImages = images.train - (images.train % config.batchSize);
  const further = Array.from({ length: (config.targets ?? 1) - 1 }, (_, i): Network => `target${i + 2}`);
  const epochsOf = (
    training: string,
    epochs: number,
    networks: readonly (readonly Network[])[],
    test: 'test' | 'attacked',
  ): PlannedTask[] =>
    Array.from({ length: epochs }, (_, i) => [
      ...networks.map((trained) => ({
        training,
        title: epochTitle(trained, i + 1, epochs),
        images: epochImages,
        kind: kindOf(trained),
      })),
      { training, title: testTitle, images: images.test, kind: test },
    ]).flat();
  return classifiersOf(cells).flatMap((classifiers) => [
    ...epochsOf(
      classifiersName(classifiers),
      classifiers.epochs.at(-1) ?? 0,
      [['c1'], ['c2'], ...further.map((network) => [network])],
      'test',
    ),
    ...cells
      .filter(({ seed }) => seed === classifiers.seed)
      .flatMap((cell) => [
        ...hardeningOf(cell, images.train),
        ...epochsOf(
          cellName(cell),
          cell.attackerEpochs,
          cell.mode === 'alternating' ? [['attacker', 'c1'], ['c2']] : [['attacker']],
          'attacked',
        ),
      ]),
  ]);
}

/** The epochs of C1 on attacked images, each with a test on images that are held out; none in other modes. */
function hardeningOf(cell: CellConfig, images: number): readonly PlannedTask[] {
  const { defence, batchSize } = cell;
  if (!defence) return [];
  const training = cellName(cell);
  const judged = validationOf(images);
  const trained = images - judged;
  return Array.from({ length: defence.epochs }, (_, i): readonly PlannedTask[] => [
    {
      training,
      title: epochTitle(['c1'], i + 1, defence.epochs),
      images: trained - (trained % batchSize),
      kind: 'hardening',
    },
    { training, title: testTitle, images: judged, kind: 'judged' },
  ]).flat();
}

const kindOf = (networks: readonly Network[]): PlannedTask['kind'] =>
  networks.length > 1 ? 'alternating' : networks[0] === 'attacker' ? 'attacker' : 'classifier';

/**
 * Follows a plan. Speeds are measured as the work goes; a kind of task that has not been seen yet is taken to be slower
 * or faster than the measured ones by a guess, so the time left is a rough one until each kind has begun.
 *
 * @param now a clock in milliseconds that never goes back.
 */
export function followPlan(
  plan: readonly PlannedTask[],
  now: () => number = () => performance.now(),
): (training: string, title: string, done: number) => Overall | undefined {
  /** Seconds and images of each kind, and the point from which the task in progress is measured. */
  const measured = new Map<PlannedTask['kind'], { seconds: number; images: number }>();
  let at = -1;
  let last: { readonly time: number; readonly done: number } | undefined;

  return (training, title, done) => {
    const isSame = (task: PlannedTask | undefined): boolean =>
      task?.training === training && task.title === title;
    if (!isSame(plan[at]) || (last && done < last.done)) {
      const next = plan.findIndex((task, i) => i > at && isSame(task));
      if (next === -1) return undefined;
      at = next;
      last = undefined;
    }
    const task = plan[at]!;
    const time = now();
    if (last && done > last.done) {
      const before = measured.get(task.kind) ?? { seconds: 0, images: 0 };
      measured.set(task.kind, {
        seconds: before.seconds + (time - last.time) / 1000,
        images: before.images + done - last.done,
      });
    }
    last = { time, done };
    return { step: at + 1, steps: plan.length, left: left(plan.slice(at), done, measured) };
  };
}

function left(
  plan: readonly PlannedTask[],
  done: number,
  measured: ReadonlyMap<PlannedTask['kind'], { readonly seconds: number; readonly images: number }>,
): number | undefined {
  let [seconds, guessed] = [0, 0];
  for (const [kind, each] of measured) {
    seconds += each.seconds;
    guessed += each.images * guesses[kind];
  }
  if (seconds === 0 || guessed === 0) return undefined;
  return plan.reduce((sum, { kind, images }, i) => {
    const known = measured.get(kind);
    const perImage = known ? known.seconds / known.images : (guesses[kind] * seconds) / guessed;
    return sum + perImage * (i === 0 ? images - done : images);
  }, 0);
}
