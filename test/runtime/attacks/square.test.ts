import { describe, expect, it } from 'vitest';
import {
  attackOf,
  balls,
  drawsOf,
  type Images,
  type Oracle,
  type ThreatModel,
} from '../../../src/runtime/attacks/index.ts';
import { moves } from '../../../src/runtime/attacks/square-moves.ts';
import { stream } from '../../../src/runtime/random.ts';

const shape = [1, 3, 12, 10] as const;
const random = stream(8, 'square');
const origin: Images = { data: Float32Array.from({ length: 360 }, random.uniform), shape };
const threatOf = (norm: 'linf' | 'l2') =>
  ({ norm, eps: norm === 'linf' ? 0.1 : 1.5, range: [0, 1], goal: 'untargeted' }) as const;

/** The places that differ, as rows and columns. */
const changed = (a: Images, b: Images): { rows: number[]; columns: number[] } => {
  const at = [...a.data.keys()].filter((i) => a.data[i] !== b.data[i]);
  return { rows: at.map((i) => Math.floor(i / 10) % 12), columns: at.map((i) => i % 10) };
};
const spread = (values: readonly number[]): number => Math.max(...values) - Math.min(...values) + 1;

function changedBy(norm: 'linf' | 'l2', best: Images, threat: ThreatModel, covered: number): Images {
  const into = new Float32Array(best.data.length);
  moves[norm].change(best, origin, threat, covered, random, into);
  return { data: into, shape };
}

describe('Square in L-infinity', () => {
  const threat = threatOf('linf');
  const edges = (images: Images): boolean =>
    images.data.every((x, i) => {
      const o = origin.data[i]!;
      const bounds = [Math.fround(o - Math.fround(0.1)), Math.fround(o + Math.fround(0.1))];
      return bounds.map((edge) => Math.fround(Math.min(Math.max(edge, 0), 1))).includes(x);
    });

  it('begins with stripes, every pixel at the edge of its bounds', () => {
    const begun = moves.linf.begin(origin, threat, random);
    expect(edges(begun)).toBe(true);
    const up = begun.data.map((x, i) => Math.sign(x - origin.data[i]!));
    for (let i = 10; i < 120; i++) expect(up[i]).toBe(up[i % 10]);
  });

  it.each([0.8, 0.1, 0.001])('changes pixels of one square that covers %d, to the edge', (covered) => {
    const begun = moves.linf.begin(origin, threat, random);
    for (let n = 0; n < 20; n++) {
      const next = changedBy('linf', begun, threat, covered);
      const { rows, columns } = changed(begun, next);
      const side = Math.min(10, Math.max(1, Math.round(Math.sqrt(covered * 120))));
      expect(rows.length).toBeGreaterThan(0);
      expect(Math.max(spread(rows), spread(columns))).toBeLessThanOrEqual(side);
      expect(edges(next)).toBe(true);
    }
  });
});

describe('Square in L2', () => {
  const threat = { ...threatOf('l2'), range: null };
  it('spends all of eps, at the beginning and after each change', () => {
    let images = moves.l2.begin(origin, threat, random);
    for (let n = 0; n < 30; n++) {
      expect(balls.l2.distance(images, origin)[0]).toBeCloseTo(1.5, 5);
      images = changedBy('l2', images, threat, 0.3);
    }
  });

  it('moves what one square has to another', () => {
    const begun = moves.l2.begin(origin, threat, random);
    const next = changedBy('l2', begun, threat, 0.05);
    const scale = begun.data.map((x, i) => (next.data[i]! - origin.data[i]!) / (x - origin.data[i]!));
    // two squares of 3 x 3 in three channels; outside them the change keeps its direction
    const kept = [...scale].filter((s) => Math.abs(s - 1) < 1e-3 || !Number.isFinite(s));
    expect(kept.length).toBeGreaterThanOrEqual(360 - 2 * 27 - 1);
  });
});

it('asks as often as it may, and keeps what lowers the margin', async () => {
  const margins: number[] = [];
  const best: number[] = [];
  const oracle: Oracle = {
    image: { channels: 3, height: 12, width: 10 },
    classes: 2,
    logits: ({ data }) => {
      // the more the pixels of even places rise, the less sure the classifier is; it is never wrong
      const sum = data.reduce((total, x, i) => total + (i % 2 === 0 ? x - origin.data[i]! : 0), 0);
      margins.push(100 - sum);
      return Promise.resolve({ data: Float32Array.of(100 - sum, 0), shape: [1, 2] });
    },
  };
  const batch = { images: origin, labels: Int32Array.of(0), places: Int32Array.of(0) };
  const settings = { queries: 300, part: 0.8, shrinkOver: null, restarts: 1 };
  const work = attackOf('square').run(oracle, batch, threatOf('linf'), settings, drawsOf(1, 'square'));
  for (;;) {
    const next = await work.next();
    if (next.done) {
      await oracle.logits(next.value);
      break;
    }
    best.push(Math.min(...margins));
  }
  expect(margins.length).toBe(301);
  expect(margins.at(-1)).toBe(best.at(-1));
  expect(best.at(-1)).toBeLessThan(best[0]! - 5);
});
