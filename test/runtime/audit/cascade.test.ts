import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { balls, type Configured, type Images } from '../../../src/runtime/attacks/index.ts';
import {
  cascade,
  type CascadePlan,
  type Chunk,
  type WorstCases,
} from '../../../src/runtime/audit/cascade.ts';
import { presets } from '../../../src/runtime/audit/presets.ts';
import type { OpenOracle } from '../../../src/runtime/audit/oracle.ts';
import type { ImageSource } from '../../../src/runtime/data/source.ts';
import { float32 } from '../../../src/runtime/tensor.ts';
import { stream } from '../../../src/runtime/random.ts';
import { drawnBatch, imagesAt, oracleOf, smallClassifier } from '../../support/oracles.ts';

const image = { channels: 1, height: 10, width: 10 };
const [count, classes] = [23, 5];
const drawn = drawnBatch(61, count, image, classes);

const attacks: readonly Configured[] = [
  { attack: 'noise', settings: {} },
  { attack: 'fgsm', settings: {} },
  { attack: 'apgd', settings: { loss: 'ce', steps: 5, restarts: 1 } },
  { attack: 'square', settings: { queries: 20, part: 0.8, shrinkOver: null, restarts: 1 } },
];
const plan: CascadePlan = {
  threat: { norm: 'linf', eps: 0.02, range: [0, 1], goal: 'untargeted' },
  attacks,
  seed: 1,
  batchSize: 6,
};

let oracle: OpenOracle;
let source: ImageSource;
beforeAll(async () => {
  oracle = await oracleOf(smallClassifier(stream(61, 'cascade'), image, classes), image);
  const { data } = await oracle.logits(drawn.images);
  // what the classifier says is true, but for two images
  const labels = drawn.labels.map((_, i) => {
    const row = [...data.subarray(i * classes, (i + 1) * classes)];
    return (row.indexOf(Math.max(...row)) + (i === 3 || i === 9 ? 1 : 0)) % classes;
  });
  source = {
    name: 'drawn',
    shape: image,
    classes: ['a', 'b', 'c', 'd', 'e'],
    count,
    sha256: '0'.repeat(64),
    read: (indices) => {
      const { data: pixels, shape } = imagesAt(drawn.images, Array.from(indices));
      const label = Int32Array.from(indices, (i) => labels[i]!);
      return Promise.resolve({
        image: float32(shape, pixels),
        label: { dtype: 'int32', shape: [label.length], data: label },
      });
    },
  };
});
afterAll(() => oracle.close());

async function run(
  own: CascadePlan = plan,
  known: (attack: number, chunk: number) => Chunk | undefined = () => undefined,
): Promise<{ worst: WorstCases; chunks: Chunk[]; steps: number }> {
  const work = cascade(oracle, source, own, known);
  const chunks: Chunk[] = [];
  for (let steps = 0; ;) {
    const next = await work.next();
    if (next.done) return { worst: next.value, chunks, steps };
    if (next.value.kind === 'chunk') chunks.push(next.value.chunk);
    else steps++;
  }
}

describe('a cascade', () => {
  it('gives each attack what the ones before left, once', async () => {
    const { chunks, worst } = await run();
    let open = [...Array(count).keys()];
    for (let attack = -1; attack < attacks.length; attack++) {
      const own = chunks.filter((chunk) => chunk.attack === attack);
      expect(own.flatMap(({ places }) => [...places])).toEqual(open);
      const reached = own.flatMap(({ places, reached: r }) => [...places].filter((_, i) => r[i] === 1));
      for (const place of reached) expect(worst.by[place]).toBe(attack);
      open = open.filter((place) => !reached.includes(place));
    }
    for (const place of open) expect(worst.by[place]).toBeNull();
    expect(worst.by.flatMap((by, place) => (by === -1 ? [place] : []))).toEqual([3, 9]);
    // each of them had something to do
    expect(open.length).toBeGreaterThan(0);
    expect(worst.by).toContain(1);
  });

  it('keeps an image of each that was broken: within the ball and the range, and wrong when asked again', async () => {
    const { worst } = await run();
    const broken = worst.by.flatMap((by, place) => (by !== null && by >= 0 ? [place] : []));
    expect([...worst.images.keys()].sort((a, b) => a - b)).toEqual(broken);
    for (const [place, data] of worst.images) {
      const seen: Images = { data, shape: [1, 1, 10, 10] };
      expect(balls.linf.distance(seen, imagesAt(drawn.images, [place]))[0]).toBeLessThanOrEqual(0.02 + 1e-7);
      expect(data.every((x) => x >= 0 && x <= 1)).toBe(true);
      const { data: z } = await oracle.logits(seen);
      const { label } = await source.read([place]);
      expect(z.indexOf(Math.max(...z))).not.toBe(label.data[0]);
    }
  });

  it('resumes from any number of its chunks to the same results, and computes none of them again', async () => {
    const all = await run();
    for (const kept of [0, 3, 7, all.chunks.length]) {
      const known = all.chunks.slice(0, kept);
      const again = await run(plan, (attack, chunk) =>
        known.find((each) => each.attack === attack && each.chunk === chunk),
      );
      expect(again.worst).toEqual(all.worst);
      expect(again.chunks).toEqual(all.chunks);
      expect(again.steps === 0).toBe(kept === all.chunks.length);
    }
  });

  it('rejects chunks of another run', async () => {
    const { chunks } = await run();
    const others = { ...chunks[0]!, places: Int32Array.of(5, 6, 7) };
    await expect(run(plan, () => others)).rejects.toThrow('chunk 0 of attack -1 is of other images');
  });

  it('reaches the targets that it is given', async () => {
    const { label } = await source.read([...Array(count).keys()]);
    const targets = (label.data as Int32Array).map((y) => (y + 2) % classes);
    const threat = { ...plan.threat, eps: 0.1, goal: 'targeted' } as const;
    const { worst } = await run({ ...plan, threat, targets, attacks: attacks.slice(2) });
    expect(worst.images.size).toBeGreaterThan(0);
    for (const [place, data] of worst.images) {
      const { data: z } = await oracle.logits({ data, shape: [1, 1, 10, 10] });
      expect(z.indexOf(Math.max(...z))).toBe(targets[place]);
    }
  });

  it('says before it begins which attack cannot be run', async () => {
    const generator: Configured = { attack: 'generator', settings: {} };
    await expect(run({ ...plan, attacks: [...attacks, generator] })).rejects.toThrow(
      'generator needs a trained attacker',
    );
  });
});

it.each(Object.entries(presets))('the preset %s is plain data', (_, preset) => {
  expect(JSON.parse(JSON.stringify(preset))).toEqual(preset);
});
