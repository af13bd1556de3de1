import { describe, expect, test } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { formOf, type Form } from '../../src/builder/lower/forms.ts';
import { isFrozen } from '../../src/builder/lower/frozen.ts';
import { stepsByHardSigmoid } from '../../src/builder/lower/steps.ts';
import { stream, type Random } from '../../src/runtime/random.ts';
import { between, drawn, evaluate, evaluateGraph, graphOf, numbers, pick, whole } from '../support/run.ts';

const image = b.input('image', 'float32', ['batch', 16, 12, 12]);
const weights = (random: Random, shape: readonly number[]): b.Value =>
  b.constant(drawn('float32', shape, between(random, -0.5, 0.5)));

const opsOf = ({ outputs }: b.Graph): string[] =>
  b.topologicalOrder(Object.values(outputs)).map(({ op }) => op);

/** The forms of the gradients of convolutions in their input. */
describe('the gradient of a convolution with a constant kernel', () => {
  const gradient = (c: number, kernel: readonly number[], attrs: b.Window): b.AnyNode => {
    const x = b.input('x', 'float32', ['batch', c, 14, 14]);
    const w = weights(stream(1, 'frozen'), [32, c / (attrs.group ?? 1), ...kernel]);
    const [dx] = b.grad(b.reduceSum(b.conv(x, w, null, attrs)), [x]);
    return b.topologicalOrder([dx!]).find(({ op }) => op === 'ConvTranspose')!;
  };
  const pads = [1, 1, 1, 1];
  test.for<readonly [what: string, node: b.AnyNode, form: Form]>([
    ['stride 1', gradient(16, [3, 3], { pads }), 'convolutions'],
    ['stride 1 and 1x1', gradient(4, [1, 1], {}), 'convolutions'],
    ['stride 1 and few channels', gradient(4, [3, 3], { pads }), 'as it is'],
    ['stride 1 and dilation', gradient(16, [3, 3], { pads, dilations: [2, 2] }), 'convolutions'],
    ['stride 2', gradient(16, [3, 3], { pads, strides: [2, 2] }), 'convolutions'],
    ['stride 2 and dilation', gradient(16, [3, 3], { dilations: [2, 2], strides: [2, 2] }), 'as it is'],
    ['stride 2 and 1x1', gradient(16, [1, 1], { strides: [2, 2] }), 'as it is'],
    ['a stride as long as the kernel', gradient(16, [2, 2], { strides: [2, 2] }), 'as it is'],
    ['a channel a group', gradient(32, [3, 3], { pads, group: 32 }), 'convolutions'],
    ['four channels a group', gradient(32, [3, 3], { pads, group: 8 }), 'convolutions'],
    ['16 channels a group', gradient(32, [3, 3], { pads, group: 2 }), 'convolutions'],
  ])('with %s has a form of its own', ([, node, form]) => {
    expect(formOf(node, 'frozen')).toBe(form);
  });
});

describe('a classifier with its weights inside', () => {
  /** Convolutions of many kinds behind one another, with Relu and Clip between them, and their input gradient. */
  function network(random: Random): b.Graph {
    let x = image;
    for (let layer = 0; layer < 3; layer++) {
      const c = x.shape[1] as number;
      const [m, group] = pick(random, [
        [16, 1],
        [24, 1],
        [c, c],
        [c, c / 4],
        [4, 1],
      ] as const);
      const k = pick(random, [1, 3, 5]);
      const strides = pick(random, [
        [1, 1],
        [1, 1],
        [2, 2],
        [2, 1],
      ]);
      const y = b.conv(x, weights(random, [m, c / group, k, k]), weights(random, [m]), {
        strides,
        pads: [0, 0, 0, 0].map(() => (k - 1) / 2),
        group,
      });
      x = pick(random, [() => b.relu(y), () => b.clip(y, 0, 6), () => b.clip(y, -1, 1), () => y])();
    }
    const loss = b.reduceSum(b.mul(x, weights(random, [1, ...x.shape.slice(1).map(Number)])));
    const [gradient] = b.grad(loss, [image]);
    return graphOf({ x, gradient: gradient! });
  }

  test('has the same values and input gradients in all its forms, in 30 networks', async () => {
    for (let n = 0; n < 30; n++) {
      const random = stream(n, 'frozen', 'networks');
      const graph = network(random);
      const feeds = { image: drawn('float32', [2, 16, 12, 12], between(random, -1, 1)) };
      const plain = await evaluateGraph(b.lower(graph, 'plain'), feeds);
      const cpu = await evaluateGraph(b.lower(graph, 'cpu'), feeds);
      for (const name of ['x', 'gradient']) {
        const scale = Math.max(...numbers(plain[name]!).map(Math.abs));
        expect(cpu[name], `network ${n}`).toBeAllClose(plain[name]!, { atol: 1e-5 * scale });
      }
    }
  });

  test('is told from others: its kernels depend on no input, and its gradient reads them too', () => {
    const random = stream(2, 'frozen');
    const trained = b.input('w', 'float32', [16, 16, 3, 3]);
    const fixed = weights(random, [16, 16, 3, 3]);
    const withGradient = (y: b.Value): b.Graph => graphOf({ y, dx: b.grad(b.reduceSum(y), [image])[0]! });
    expect(isFrozen(withGradient(b.conv(image, b.mul(fixed, 2), null, {})))).toBe(true);
    expect(isFrozen(withGradient(b.conv(image, trained, null, {})))).toBe(false);
    expect(isFrozen(withGradient(b.conv(b.conv(image, trained, null, {}), fixed, null, {})))).toBe(false);
    expect(isFrozen(withGradient(b.relu(image)))).toBe(false);
    // an attacker: transposed convolutions of its own
    const generator = b.convTranspose(
      b.conv(image, fixed, null, {}),
      weights(random, [16, 3, 3, 3]),
      null,
      {},
    );
    expect(isFrozen(graphOf({ generator }))).toBe(false);
  });

  test('has no comparisons for activations', () => {
    const random = stream(3, 'frozen');
    const y = b.clip(b.conv(b.relu(image), weights(random, [16, 16, 3, 3]), null, {}), 0, 6);
    const [gradient] = b.grad(b.reduceSum(y), [image]);
    const lowered = opsOf(b.lower(graphOf({ y, gradient: gradient! }), 'cpu'));
    expect(lowered.filter((op) => op === 'Greater' || op === 'Equal')).toEqual([]);
  });
});

describe('the masks of activations as steep HardSigmoids', () => {
  const masked = async (
    activation: (x: b.Value) => b.Value,
    at: readonly number[],
  ): Promise<readonly (readonly number[])[]> => {
    const x = b.input('x', 'float32', [1, 1, 1, at.length]);
    const one = b.constant(b.tensorOf('float32', [1, 1, 1, 1], [1]));
    const y = activation(b.conv(x, one, null, {}));
    const [dx] = b.grad(b.reduceSum(b.mul(y, 3)), [x]);
    const graph = graphOf({ dx: dx! });
    const feeds = { x: b.tensorOf('float32', [1, 1, 1, at.length], at) };
    const steep = stepsByHardSigmoid(graph);
    expect(opsOf(steep)).toContain('HardSigmoid');
    return [
      numbers((await evaluateGraph(steep, feeds))['dx']!),
      numbers((await evaluate(graph.outputs, feeds))['dx']!),
    ];
  };
  const smallest = 2 ** -126;
  const below = (x: number): number => x - x * 2 ** -24;

  test('are exact for Relu, for all but denormal numbers', async () => {
    const [steep, compared] = await masked(b.relu, [
      -Infinity,
      -1,
      -0,
      0,
      smallest,
      1e-30,
      1,
      3e38,
      Infinity,
    ]);
    expect(steep).toEqual(compared);
    expect(steep).toEqual([0, 0, 0, 0, 3, 3, 3, 3, 3]);
  });

  test.for([6, 1, 0.1, 255, 2 ** -20, 2 ** 20])(
    'are exact for Clip up to %s, off its bounds',
    async (top) => {
      const high = Math.fround(top);
      const random = stream(4, 'frozen', String(top));
      const inside = Array.from({ length: 50 }, () => Math.fround(high * (whole(random, 1, 999)() / 1000)));
      const outside = [-1, -1e-30, high * 1.0001, 3e38];
      const [steep, compared] = await masked(
        (x) => b.clip(x, 0, top),
        [smallest, ...inside, Math.fround(below(high)), ...outside],
      );
      expect(steep).toEqual(compared);
      expect(new Set(steep)).toEqual(new Set([0, 3]));
    },
  );

  test('are flat where a convolution gives a bound of Clip', async () => {
    expect(await masked((x) => b.clip(x, 0, 6), [0, 6])).toEqual([
      [0, 0],
      [3, 3],
    ]);
  });

  test('leave alone what clips an image: its pixels lie on the bounds', () => {
    const y = b.conv(b.clip(image, 0, 1), weights(stream(5, 'frozen'), [16, 16, 3, 3]), null, {});
    const [gradient] = b.grad(b.reduceSum(y), [image]);
    expect(opsOf(b.lower(graphOf({ y, gradient: gradient! }), 'cpu'))).toContain('Equal');
  });
});
