import * as b from '../../src/builder/index.ts';
import type { Random } from '../../src/runtime/random.ts';
import { feeder, graphOf, pick, sizes, whole } from './run.ts';

/** A random graph whose every result is a whole number of float64: any order of its sums gives the same bits. */
export function randomGraph(random: Random): {
  readonly graph: b.Graph;
  readonly feeds: Readonly<Record<string, b.Tensor>>;
} {
  const feed = feeder();
  const small = (x: b.Value): b.Value => b.clip(x, -8, 8);
  const shapes: readonly b.Shape[] = [
    [2, 3, 4],
    [4, 3, 2],
    [3],
    [1, 3, 1],
    [],
    [2, 3, 1, 4],
    ['batch', 3, 2],
    [1, 1],
  ];
  const values = shapes.map((shape) => feed.input('float64', shape, whole(random, -4, 4)));
  const any = (): b.Value => pick(random, values);
  const shuffled = (rank: number): number[] =>
    Array.from({ length: rank }, (_, i) => ({ i, key: random.uniform() }))
      .sort((p, q) => p.key - q.key)
      .map(({ i }) => i);
  const axesOf = (x: b.Value) => ({
    ...(random.below(3) > 0 && { axes: x.shape.flatMap((_, i) => (random.below(2) ? [i] : [])) }),
    keepdims: random.below(2) === 0,
  });
  const condition = (): b.Value => {
    const [p, q] = [b.greater(any(), any()), b.equal(any(), any())];
    return pick(random, [p, b.not(p), b.and(p, q)]);
  };
  const steps: readonly (() => b.Value)[] = [
    () => {
      const x = any();
      return b.transpose(x, shuffled(x.shape.length));
    },
    () => b.transpose(any()),
    () => b.transpose(b.transpose(any())),
    () => pick(random, [b.neg, b.abs, b.relu, b.sign, b.identity])(any()),
    () => small(b.mul(b.leakyRelu(any(), 0.5), 2)),
    () => b.cast(b.cast(any(), 'float32'), 'float64'),
    () => small(pick(random, [b.add, b.sub, b.mul, b.max, b.min])(any(), any())),
    () => small(b.add(any(), random.below(5))),
    () => b.where(condition(), any(), any()),
    () => small(b.reduceSum(any(), axesOf(any()))),
    () => {
      const x = any();
      return small(pick(random, [b.reduceSum, b.reduceMax, b.reduceSumSquare])(x, axesOf(x)));
    },
    () => b.reshape(any(), [-1]),
    () => {
      const x = any();
      return b.unsqueeze(x, [random.below(x.shape.length + 1)]);
    },
    () => small(b.mul(b.expand(any(), b.shapeOf(any())), any())),
    () => small(b.matmul(any(), any())),
  ];
  while (values.length < 60) {
    try {
      const y = pick(random, steps)();
      if (y.shape.length <= 5 && sizes(y.shape).reduce((a, dim) => a * dim, 1) <= 500) values.push(y);
    } catch (error) {
      // shapes that do not fit: draw again
      if (!/do not (broadcast|multiply)|axis|needs values of rank 1/.test((error as Error).message))
        throw error;
    }
  }
  const outputs = Object.fromEntries(values.slice(-10).map((y, i) => [`y${i}`, y]));
  return { graph: graphOf(outputs), feeds: feed.feeds };
}
