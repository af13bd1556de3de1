import { describe, expect, it } from 'vitest';
import { balls, drawsOf, type Images, type Norm } from '../../../src/runtime/attacks/index.ts';
import { stream } from '../../../src/runtime/random.ts';
import { imagesAt } from '../../support/oracles.ts';

const random = stream(31, 'ball');
const [count, size] = [20, 3 * 5 * 5];
const imagesOf = (next: () => number): Images => ({
  data: Float32Array.from({ length: count * size }, next),
  shape: [count, 3, 5, 5],
});
const origin = imagesOf(random.uniform);
const gradient = imagesOf(random.normal);
const one = (...values: number[]): Images => ({
  data: Float32Array.from(values),
  shape: [1, 1, 1, values.length],
});
const startsIn = (norm: Norm, eps: number): Images => {
  const draws = drawsOf(5, 'ball');
  return balls[norm].start(origin, eps, (i) => draws.at([], i, balls[norm].startLength(size)));
};

describe.each(['linf', 'l2'] as const)('the ball of %s', (norm) => {
  const ball = balls[norm];

  it('has its starts anywhere in it', () => {
    const distances = [...ball.distance(startsIn(norm, 2), origin)];
    expect(Math.max(...distances)).toBeLessThanOrEqual(2 + 1e-6);
    // of 75 dimensions nearly all of the volume lies near the surface
    expect(Math.min(...distances)).toBeGreaterThan(1.6);
    const away = startsIn(norm, 2).data.map((x, at) => Math.sign(x - origin.data[at]!));
    expect(Math.abs(away.reduce((sum, sign) => sum + sign, 0))).toBeLessThan(0.1 * away.length);
  });

  it.each([1e-4, 0.03, 0.5, 8 / 255, 3])('takes far images back to its surface, eps %d', (eps) => {
    const far = imagesOf(() => 1000 * (random.uniform() - 0.5));
    for (const distance of ball.distance(ball.project(far, origin, eps, null), origin)) {
      expect(distance).toBeGreaterThan(eps - 1e-5);
      // a bound of L-infinity is x + eps rounded to float32
      expect(distance).toBeLessThanOrEqual(norm === 'linf' ? eps + 2e-7 : eps * (1 + 1e-12));
    }
  });

  it('leaves alone what lies in it', () => {
    const near = ball.project(startsIn(norm, 0.4), origin, 0.5, null);
    expect(near).toEqual(startsIn(norm, 0.4));
  });

  it('keeps the range too', () => {
    const projected = ball.project(startsIn(norm, 6), origin, 6, [0.2, 0.8]);
    expect(Math.min(...projected.data)).toBe(Math.fround(0.2));
    expect(Math.max(...projected.data)).toBe(Math.fround(0.8));
  });

  it('has steps of their size, one an image, that raise the loss more than any other of that size', () => {
    const sizes = Float64Array.from({ length: count }, (_, i) => 0.01 * (i + 1));
    const moved = ball.ascend(origin, gradient, sizes);
    expect(ball.distance(moved, origin)).toBeAllClose(sizes, { atol: 1e-5 });
    const gains = (to: Images, i: number): number => {
      const [x, o, g] = [to, origin, gradient].map((each) => imagesAt(each, [i]).data);
      return x!.reduce((sum, value, at) => sum + (value - o![at]!) * g![at]!, 0);
    };
    const other = ball.project(ball.ascend(origin, imagesOf(random.normal), sizes), origin, 1, null);
    for (let i = 0; i < count; i++) expect(gains(moved, i)).toBeGreaterThan(gains(other, i));
  });

  it.each([[0, 1] as const, null])('has a step and its projection in one, in the range %j', (range) => {
    const images = startsIn(norm, 0.4);
    const sizes = Float64Array.from({ length: count }, (_, i) => 0.02 * (i + 1) - 0.1);
    const inTwo = ball.project(ball.ascend(images, gradient, sizes), origin, 0.5, range);
    expect(ball.step(images, gradient, sizes, origin, 0.5, range)).toEqual(inTwo);
  });

  it('glides as its formula says', () => {
    const [images, previous] = [startsIn(norm, 0.4), startsIn(norm, 0.2)];
    const sizes = new Float64Array(count).fill(0.3);
    const plain = ball.step(images, gradient, sizes, origin, 0.5, [0, 1]);
    const mixed = images.data.map(
      (x, at) => x + 0.75 * (plain.data[at]! - x) + 0.25 * (x - previous.data[at]!),
    );
    const expected = ball.project({ data: mixed, shape: images.shape }, origin, 0.5, [0, 1]);
    const into = new Float32Array(images.data.length);
    ball.glideIn(origin, 0.5, [0, 1])(images, previous, gradient, sizes, 0.75, into);
    expect(into).toEqual(expected.data);
  });

  it.each([0, NaN])('stands still where the gradient is %d', (slope) => {
    expect(ball.ascend(one(0.5, 0.25), one(slope, slope), [0.1])).toEqual(one(0.5, 0.25));
  });
});

it('a step of L-infinity rounds to float32 after each operation, as an ONNX graph does', () => {
  const f = Math.fround;
  const [size, eps] = [f(0.013), f(0.1)];
  const images = startsIn('linf', 0.1);
  const expected = images.data.map((x, at) => {
    const [o, g] = [origin.data[at]!, gradient.data[at]!];
    const moved = f(x + f(size * Math.sign(g)));
    return Math.min(Math.max(Math.min(Math.max(moved, f(o - eps)), f(o + eps)), 0), 1);
  });
  const sizes = new Float64Array(count).fill(0.013);
  expect(balls.linf.step(images, gradient, sizes, origin, 0.1, [0, 1]).data).toEqual(expected);
});

it('distances are the largest change of a pixel, and the Euclidean length over all', () => {
  const [image, attacked] = [one(0, 0, 1), one(1, 0, 0.25)];
  expect([...balls.linf.distance(attacked, image)]).toEqual([1]);
  expect([...balls.l2.distance(attacked, image)]).toEqual([1.25]);
});
