import * as b from '../../src/builder/index.ts';
import { inDouble } from './double.ts';
import { graphOf, numbers, openGraph } from './run.ts';

/**
 * How far the graph of `y` is from a kink: the smallest distance of an input of Relu and LeakyRelu from 0, of Clip from
 * its bounds, and of the largest number of a 2x2 pooling window from the second. A gradient jumps at a kink, so one
 * that rounding or a step may pass makes two right gradients differ.
 */
function distanceToKink(y: b.Value): b.Value {
  const distances = b.topologicalOrder([y]).flatMap((node): b.Value[] => {
    const [x, low, high] = node.inputs;
    switch (node.op) {
      case 'Relu':
      case 'LeakyRelu':
        return [b.abs(x!)];
      case 'Clip':
        return [b.abs(b.sub(x!, low!)), b.abs(b.sub(x!, high!))];
      case 'MaxPool':
        return [poolingGap(x!)];
      default:
        return [];
    }
  });
  return distances.map((d) => b.neg(b.reduceMax(b.neg(d)))).reduce((a, d) => b.min(a, d));
}

/** The largest minus the second of each 2x2 window; 1 where all are 0, since all their gradients are, behind a Relu. */
function poolingGap(x: b.Value): b.Value {
  const [height, width] = x.shape.slice(2) as [number, number];
  const tap = (i: number, j: number): b.Value => b.slice(x, [i, j], [height, width], [2, 3], [2, 2]);
  const [first, second] = [
    [tap(0, 0), tap(0, 1)],
    [tap(1, 0), tap(1, 1)],
  ].map(([p, q]) => ({ high: b.max(p!, q!), low: b.min(p!, q!) })) as [Pair, Pair];
  const highest = b.max(first.high, second.high);
  const next = b.max(
    b.min(first.high, second.high),
    b.where(b.greater(first.high, second.high), first.low, second.low),
  );
  return b.where(b.greater(highest, 0), b.sub(highest, next), 1);
}

interface Pair {
  readonly high: b.Value;
  readonly low: b.Value;
}

/**
 * Units of the two networks in float32 are wrong by 1e-6 after all of their layers, the worst of 200,000 by 7e-6.
 */
const margin = 5e-6;

/**
 * Draws until the graph of `y` is further from all of its kinks than rounding in float32 reaches, computed in float64.
 *
 * @param feedsOf gives float64 where the graph has float32.
 */
export async function drawOffKinks<T>(
  y: b.Value,
  draw: () => T,
  feedsOf: (drawn: T) => Readonly<Record<string, b.Tensor>>,
): Promise<T> {
  const opened = await openGraph<'distance'>(inDouble(graphOf({ distance: distanceToKink(y) })));
  try {
    for (;;) {
      const drawn = draw();
      const { distance } = await opened.run(feedsOf(drawn));
      if (numbers(distance)[0]! > margin) return drawn;
    }
  } finally {
    await opened.close();
  }
}
