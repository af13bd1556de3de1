import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import {
  attackOf,
  drawsOf,
  toEnd,
  type Batch,
  type Configured,
  type Images,
  type Oracle,
  type ThreatModel,
} from '../../../src/runtime/attacks/index.ts';
import { stream } from '../../../src/runtime/random.ts';

const image = { channels: 2, height: 9, width: 7 } as const;
const size = 2 * 9 * 7;
const classes = 5;
const count = 6;
const { uniform } = stream(3, 'unchanged');
const draw = (length: number, low: number, high: number): Float64Array =>
  Float64Array.from({ length }, () => low + (high - low) * uniform());
const linear = draw(classes * size, -1, 1);
const square = draw(classes * size, -1, 1);

/** A quadratic classifier in double precision, without a function whose last bit the engine decides. */
const oracle: Oracle = {
  image,
  classes,
  logits: (images) => Promise.resolve(logitsOf(images)),
  gradient({ images, labels }) {
    const logits = logitsOf(images);
    const gradient = new Float32Array(images.data.length);
    const loss = Float32Array.from(labels, (label, row) => {
      const own = logits.data.subarray(row * classes, (row + 1) * classes);
      const others = [...own.keys()].filter((j) => j !== label);
      const top = others.reduce((best, j) => (own[j]! > own[best]! ? j : best), others[0]!);
      for (let i = 0; i < size; i++) {
        const x = images.data[row * size + i]!;
        const slope = (j: number): number => linear[j * size + i]! + 2 * x * square[j * size + i]!;
        gradient[row * size + i] = slope(top) - slope(label);
      }
      return own[top]! - own[label]!;
    });
    return Promise.resolve({ logits, loss, gradient: { data: gradient, shape: images.shape } });
  },
};

function logitsOf({ data, shape: [n] }: Images) {
  const logits = new Float32Array(n * classes);
  for (let at = 0; at < logits.length; at++) {
    const [row, j] = [Math.floor(at / classes), at % classes];
    let sum = 0;
    for (let i = 0; i < size; i++) {
      const x = data[row * size + i]!;
      sum += x * (linear[j * size + i]! + x * square[j * size + i]!);
    }
    logits[at] = sum;
  }
  return { data: logits, shape: [n, classes] as const };
}

const images: Images = { data: Float32Array.from(draw(count * size, 0, 1)), shape: [count, 2, 9, 7] };
const answers = logitsOf(images).data;
const labels = Int32Array.from({ length: count }, (_, row) => {
  const own = answers.subarray(row * classes, (row + 1) * classes);
  return own.indexOf(Math.max(...own));
});
const batch: Batch = { images, labels, places: Int32Array.from({ length: count }, (_, i) => i) };

const apgd = { attack: 'apgd', settings: { loss: 'margin', steps: 30, restarts: 2 } } as const;
const apgdT = {
  attack: 'apgd-t',
  settings: { loss: 'difference', steps: 20, targets: 3, restarts: 1 },
} as const;
const squareAttack = {
  attack: 'square',
  settings: { queries: 60, part: 0.8, shrinkOver: null, restarts: 2 },
} as const;

const fab = { attack: 'fab', settings: { steps: 10, targets: 3, restarts: 2 } } as const;

/** Attacked images are part of what an audit keeps: a faster attack must find the same ones, to the bit. */
it.each<[ThreatModel['norm'], number, Configured, string]>([
  ['linf', 0.02, apgd, 'cba1a23b58e71d7f'],
  ['l2', 0.2, apgd, 'b6f0f03239dc7caa'],
  ['linf', 0.02, apgdT, '7e6a1f7d3f0d38d4'],
  ['l2', 0.2, apgdT, 'dc7d34b54d5d86ba'],
  ['linf', 0.02, fab, '9de8713bd6fb87a0'],
  ['l2', 0.2, fab, '4fb7c3e28fdae265'],
  ['linf', 0.02, squareAttack, '7e7b7922092cf001'],
  ['l2', 0.2, squareAttack, '7316b5ffbbbc9766'],
])(
  'in %s of %f, %o finds the images that it always found',
  async (norm, eps, { attack, settings }, digest) => {
    const threat = { norm, eps, range: [0, 1], goal: 'untargeted' } as const;
    const run = attackOf(attack).run(oracle, batch, threat, settings as never, drawsOf(1, attack));
    const { data } = await toEnd(run);
    const left = [...logitsOf({ data, shape: images.shape }).data];
    // some are broken and some are not, so that the path of both is compared
    const right = labels.filter((label, row) => {
      const own = left.slice(row * classes, (row + 1) * classes);
      return own.indexOf(Math.max(...own)) === label;
    }).length;
    expect(right).toBeGreaterThan(0);
    expect(right).toBeLessThan(count);
    expect(
      createHash('sha256')
        .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
        .digest('hex')
        .slice(0, 16),
    ).toBe(digest);
  },
);
