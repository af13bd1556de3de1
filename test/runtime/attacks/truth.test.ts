import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openClassifier, type OpenClassifier } from '../../../src/index.ts';
import { toEnd, type Configured } from '../../../src/runtime/attacks/index.ts';
import { runAudit } from '../../../src/runtime/audit/run-audit.ts';
import { loadDigits, type StoredSource } from '../../../src/runtime/index.ts';

/** WK17a (Wong and Kolter 2017): what an attack can reach is known exactly, by mixed-integer programming. */
const folder = new URL('../../../../shared/truth/', import.meta.url);
const absent = !existsSync(folder);

interface Verdict {
  readonly place: number;
  readonly truth: string;
  /** The smallest eps at which the image can be fooled; null where that is not known. */
  readonly smallest: number | null;
}

describe.skipIf(absent)('on a classifier whose robustness is known (skipped without ../shared/truth)', () => {
  let classifier: OpenClassifier;
  let test: StoredSource;
  let verdicts: readonly Verdict[];
  beforeAll(async () => {
    classifier = await openClassifier(new Uint8Array(readFileSync(new URL('wk17a.onnx', folder))), {
      threads: 1,
    });
    test = (await loadDigits('mnist')).test;
    const [, ...lines] = readFileSync(new URL('wk17a.csv', folder), 'utf8').trim().split('\n');
    verdicts = lines.map((line) => {
      const [place, truth, , bound] = line.split(',');
      return { place: Number(place), truth: truth!, smallest: bound ? Number(bound) : null };
    });
  });
  afterAll(() => classifier.close());

  /** Which of some images are right under some attacks. */
  async function robust(places: readonly number[], eps: number, attacks: readonly Configured[]) {
    const source = {
      ...test,
      count: places.length,
      read: (indices: ArrayLike<number>) => test.read(Array.from(indices, (i) => places[i]!)),
    };
    const threat = { norm: 'linf', eps, range: [0, 1], goal: 'untargeted' } as const;
    const planned = attacks.map((configured) => ({
      name: configured.attack,
      configured,
      given: 'left' as const,
      most: null,
    }));
    const plan = { threat, attacks: planned, curve: null, seed: 1, blockSize: 20 };
    const { right, adversarial } = await toEnd(runAudit(classifier, source, plan));
    return places.map((_, i) => right[i] === 1 && !adversarial.has(i));
  }

  const each: readonly Configured[] = [
    { attack: 'apgd', settings: { loss: 'ce', steps: 60, restarts: 1 } },
    { attack: 'apgd-t', settings: { loss: 'dlr', steps: 60, targets: 2, restarts: 1 } },
    { attack: 'fab', settings: { steps: 60, targets: 2, restarts: 1 } },
    { attack: 'square', settings: { queries: 1000, part: 0.8, shrinkOver: null, restarts: 1 } },
  ];

  it.each(each.map((one) => ({ one, name: one.attack })))(
    '$name fools what can be fooled, and nothing else, at 0.1',
    async ({ one }) => {
      // well within reach, so that each attack alone must find them; and the first that are proven robust
      const weak = verdicts.filter(({ smallest }) => smallest !== null && smallest < 0.08);
      const firm = verdicts.filter(({ truth }) => truth === 'robust').slice(0, 10);
      expect(weak.length).toBeGreaterThan(7);
      const left = await robust([...weak, ...firm].map(({ place }) => place), 0.1, [one]); // prettier-ignore
      expect(left).toEqual([...weak.map(() => false), ...firm.map(() => true)]);
    },
  );

  it('finds images above their smallest eps, and none below', async () => {
    // 1.02 takes more than these two attacks of 60 steps: scripts/truth.ts --smallest tries it with all
    const weak = verdicts.filter(({ smallest }) => smallest !== null && smallest < 0.06);
    expect(weak.length).toBeGreaterThan(5);
    for (const { place, smallest } of weak) {
      const above = await robust([place], 1.1 * smallest!, each.slice(0, 2));
      const below = await robust([place], 0.99 * smallest!, each.slice(0, 2));
      expect({ place, above, below }).toEqual({ place, above: [false], below: [true] });
    }
  });
});
