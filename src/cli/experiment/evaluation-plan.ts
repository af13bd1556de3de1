import type { AttackSettings, EvaluationProgress } from '../../runtime/index.ts';
import type { Overall } from '../progress.ts';

/** What decides how long an evaluation takes. */
export interface EvaluationPlan {
  readonly cells: readonly {
    readonly folder: string;
    readonly clip: boolean;
    readonly models: { readonly c1: string };
  }[];
  readonly images: number;
  readonly attacks: readonly AttackSettings[];
  readonly curve: readonly number[];
  readonly curveImages: number;
  readonly doublingImages: number;
  /** Attackers of the cross-attack matrix; 0 for none. */
  readonly matrixAttackers: number;
}

/** A task as `evaluateCells` and `crossAttack` name it, and what it costs in any unit. */
interface Task {
  readonly title: string;
  readonly cost: number;
}

/** What an attack on an image costs beside one answer of a classifier: a guess that holds for the paper's networks. */
function costOf(settings: AttackSettings): number {
  switch (settings.attack) {
    case 'noise':
      return 1;
    case 'fgsm':
      return 4;
    case 'pgd':
      return 1 + 3 * settings.restarts * (settings.steps + 1);
    case 'attacker':
      return 20;
    default:
      return settings satisfies never;
  }
}

/** The tasks of an evaluation, in order. */
export function tasksOf(plan: EvaluationPlan): readonly Task[] {
  const { cells, images, attacks } = plan;
  const [doubling, curve] = [plan.doublingImages, plan.curveImages].map((n) => Math.min(n, images));
  const pgd = attacks.find((each) => each.attack === 'pgd');
  const drawn = new Set<string>();
  const ofCells = cells.flatMap(({ folder, clip, models }) => {
    const isFirst = !drawn.has(`${models.c1} ${clip}`);
    drawn.add(`${models.c1} ${clip}`);
    const onCurve = attacks.filter(({ attack }) => attack !== 'attacker');
    const curveCost = curve! * onCurve.reduce((sum, each) => sum + costOf(each), 0);
    return [
      { title: `${folder} clean`, cost: images },
      ...attacks.map((each) => ({ title: `${folder} ${each.attack}`, cost: images * costOf(each) })),
      ...(pgd && doubling! > 0
        ? [
            {
              title: `${folder} pgd with ${2 * pgd.steps} steps`,
              cost: doubling! * costOf({ ...pgd, steps: 2 * pgd.steps }),
            },
          ]
        : []),
      ...(isFirst && onCurve.length > 0
        ? plan.curve.map((eps) => ({ title: `${folder} curve at eps ${eps}`, cost: curveCost }))
        : []),
    ];
  });
  const n = plan.matrixAttackers;
  const ofMatrix = Array.from({ length: n }, (_, i) => ({
    title: `matrix: attacker ${i + 1}/${n}`,
    cost: images * (20 + 2 * n),
  }));
  return [...ofCells, ...(n > 0 ? [{ title: 'matrix: clean', cost: 2 * n * images }] : []), ...ofMatrix];
}

/**
 * Follows the tasks of an evaluation: which one it is at, and how long all of them will still take. The time left is
 * that of the costs at the speed since the first update, so what was finished before does not count.
 *
 * @param now a clock in milliseconds that never goes back.
 */
export function followTasks(
  tasks: readonly Task[],
  now: () => number = () => performance.now(),
): (progress: EvaluationProgress) => Overall | undefined {
  const all = tasks.reduce((sum, { cost }) => sum + cost, 0);
  let first: { readonly time: number; readonly cost: number } | undefined;
  return ({ title, done, total }) => {
    const at = tasks.findIndex((task) => task.title === title);
    if (at === -1) return undefined;
    const before = tasks.slice(0, at).reduce((sum, { cost }) => sum + cost, 0);
    const cost = before + (total > 0 ? done / total : 1) * tasks[at]!.cost;
    first ??= { time: now(), cost };
    const speed = (cost - first.cost) / ((now() - first.time) / 1000);
    return { step: at + 1, steps: tasks.length, left: speed > 0 ? (all - cost) / speed : undefined };
  };
}
