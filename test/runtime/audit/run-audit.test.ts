import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { surrogateMaker } from '../../../src/api/surrogate.ts';
import { balls, type Configured, type Images } from '../../../src/runtime/attacks/index.ts';
import type { OpenOracle } from '../../../src/runtime/audit/oracle.ts';
import type { Parts } from '../../../src/runtime/audit/parts.ts';
import { masksOf } from '../../../src/runtime/audit/figures.ts';
import type { AuditPlan } from '../../../src/runtime/audit/plan.ts';
import { presets } from '../../../src/runtime/audit/presets.ts';
import { hasBegun, runAudit, type Measured, type RunOptions } from '../../../src/runtime/audit/run-audit.ts';
import type { ImageSource } from '../../../src/runtime/data/source.ts';
import { stream } from '../../../src/runtime/random.ts';
import type { Safetensors } from '../../../src/runtime/safetensors.ts';
import { float32 } from '../../../src/runtime/tensor.ts';
import { drawnBatch, imagesAt, oracleOf, smallClassifier } from '../../support/oracles.ts';

const image = { channels: 1, height: 10, width: 10 };
const [count, classes] = [23, 5];
const drawn = drawnBatch(61, count, image, classes);

const attacks: readonly Configured[] = [
  { attack: 'noise', settings: {} },
  { attack: 'apgd', settings: { loss: 'ce', steps: 5, restarts: 1 } },
  { attack: 'square', settings: { queries: 20, part: 0.8, shrinkOver: null, restarts: 1 } },
];
const plan: AuditPlan = {
  threat: { norm: 'linf', eps: 0.03, range: [0, 1], goal: 'untargeted' },
  attacks: attacks.map((configured) => ({
    name: configured.attack,
    configured,
    given: 'left',
    most: null,
  })),
  curve: null,
  seed: 1,
  blockSize: 6,
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

/** An audit to its end, and the parts that it computed. */
async function run(
  options: RunOptions = {},
  kept: ReadonlyMap<string, Safetensors> = new Map(),
  asked: AuditPlan = plan,
): Promise<{ readonly measured: Measured; readonly computed: Map<string, Safetensors> }> {
  const computed = new Map<string, Safetensors>();
  const parts: Parts = {
    find: (name) => Promise.resolve(kept.get(name)),
    keep: (name, part) => Promise.resolve(void computed.set(name, part)),
  };
  const work = runAudit(oracle, source, asked, { ...options, parts });
  for (;;) {
    const next = await work.next();
    if (next.done) return { measured: next.value, computed };
  }
}

/** All but the time. */
const figures = ({ outcomes, ...rest }: Measured) => ({
  ...rest,
  outcomes: outcomes.map((outcome) => ({ ...outcome, seconds: 0 })),
});

describe('an audit', () => {
  it('gives each attack what the ones before left, once', async () => {
    const { right, outcomes, adversarial } = (await run()).measured;
    expect([...right.keys()].filter((place) => right[place] === 0)).toEqual([3, 9]);
    let left = [...right];
    for (const { attacked, broken, planned } of outcomes) {
      expect([...attacked]).toEqual(left);
      broken.forEach((one, place) => {
        expect(adversarial.get(place)?.attack === planned.name).toBe(one === 1);
      });
      left = left.map((one, place) => (broken[place] === 1 ? 0 : one));
    }
    // each of them had something to do
    expect(left).toContain(1);
    expect([...adversarial.values()].map(({ attack }) => attack)).toContain('apgd');
  });

  it('keeps an image of each that was broken: within the ball and the range, and wrong when asked again', async () => {
    const { adversarial } = (await run()).measured;
    expect(adversarial.size).toBeGreaterThan(0);
    for (const [place, { image: data }] of adversarial) {
      const seen: Images = { data, shape: [1, 1, 10, 10] };
      expect(balls.linf.distance(seen, imagesAt(drawn.images, [place]))[0]).toBeLessThanOrEqual(0.03 + 1e-7);
      expect(data.every((x) => x >= 0 && x <= 1)).toBe(true);
      const { data: z } = await oracle.logits(seen);
      const { label } = await source.read([place]);
      expect(z.indexOf(Math.max(...z))).not.toBe(label.data[0]);
    }
  });

  it('resumes from any number of its parts to the same figures, and computes none of them again', async () => {
    const all = await run();
    const names = [...all.computed.keys()];
    expect(names.length).toBeGreaterThan(8);
    for (const known of [0, 3, 7, names.length]) {
      const kept = new Map([...all.computed].slice(0, known));
      const again = await run({}, kept);
      expect([...again.computed.keys()]).toEqual(names.slice(known));
      expect(figures(again.measured)).toEqual(figures(all.measured));
    }
  });

  it('computes again what was kept of other images', async () => {
    const all = await run();
    const [first, second] = [...all.computed.keys()].filter((name) => name.startsWith('attack-noise'));
    const again = await run({}, new Map([[second!, all.computed.get(first!)!]]));
    expect(again.computed.has(second!)).toBe(true);
    expect(figures(again.measured)).toEqual(figures(all.measured));
  });

  it('counts nothing that a probe breaks, but in its own row', async () => {
    const [noise, apgd] = plan.attacks;
    const probe = { ...apgd!, name: 'apgd-doubled', probe: true } as const;
    const alone = await run({}, new Map(), { ...plan, attacks: [noise!] });
    const { measured } = await run({}, new Map(), { ...plan, attacks: [noise!, probe] });
    expect(measured.outcomes[1]!.broken).toContain(1);
    expect(measured.adversarial).toEqual(alone.measured.adversarial);
    expect(masksOf(measured).get('worst')).toEqual(masksOf(alone.measured).get('worst'));
    expect(masksOf(measured).get('apgd-doubled')).not.toEqual(masksOf(measured).get('worst'));
  });

  it('has no result of an attack that was stopped before it began', async () => {
    const controller = new AbortController();
    const work = runAudit(oracle, source, plan, { signal: controller.signal });
    let next = await work.next();
    for (; !next.done; next = await work.next()) {
      // the first block of it is finished
      if (next.value.title === 'apgd' && 'done' in next.value && next.value.done > 0) controller.abort();
    }
    const { outcomes } = next.value;
    expect(outcomes.map(hasBegun)).toEqual([true, true, false]);
    expect(outcomes.map(({ complete }) => complete)).toEqual([true, false, false]);
    expect([...masksOf(next.value).keys()]).toEqual(['clean', 'noise', 'apgd', 'worst']);
  });

  it('dealt to two shards gives the parts of one run', async () => {
    const all = await run();
    const shards = [
      await run({ shard: { index: 1, count: 2 } }),
      await run({ shard: { index: 2, count: 2 } }),
    ];
    const parts = new Map(shards.flatMap(({ computed }) => [...computed]));
    expect([...parts.keys()].toSorted()).toEqual([...all.computed.keys()].toSorted());
    const merged = await run({}, parts);
    expect(merged.computed.size).toBe(0);
    expect(figures(merged.measured)).toEqual(figures(all.measured));
  });
});

describe('transfer from a surrogate', () => {
  const settings = { images: 10, rounds: 2, updates: 30, steps: 8, restarts: 1 };
  const asked: AuditPlan = {
    ...plan,
    threat: { ...plan.threat, eps: 0.06 },
    attacks: [{ name: 'transfer', configured: { attack: 'transfer', settings }, given: 'left', most: null }],
  };
  const transferring = (kept?: ReadonlyMap<string, Safetensors>, shard: RunOptions['shard'] = null) =>
    run({ surrogateMaker: surrogateMaker(oracle, { threads: 1 }), shard }, kept, asked);

  it('asks for answers alone, those that it learns from included, and breaks images', async () => {
    const before = oracle.queries();
    const { outcomes } = (await transferring()).measured;
    const after = oracle.queries();
    expect(after.backward).toBe(before.backward);
    expect(outcomes[0]!.broken).toContain(1);
    const clean = count;
    expect(outcomes[0]!.queries.forward).toBe(after.forward - before.forward - clean);
    // images, noisy copies, and copies that were attacked
    expect(outcomes[0]!.queries.forward).toBeGreaterThan(3 * settings.images);
  });

  it('resumes to the same figures, and two shards give those of one run', { timeout: 240_000 }, async () => {
    const all = await transferring();
    const names = [...all.computed.keys()];
    expect(names).toContain('surrogate');
    for (const known of [0, names.indexOf('surrogate') + 1, names.length]) {
      const again = await transferring(new Map([...all.computed].slice(0, known)));
      expect([...again.computed.keys()]).toEqual(names.slice(known));
      expect(figures(again.measured)).toEqual(figures(all.measured));
    }
    const parts = new Map<string, Safetensors>();
    for (const index of [1, 2]) {
      const { computed } = await transferring(undefined, { index, count: 2 });
      expect(computed.get('surrogate')!.tensors).toEqual(all.computed.get('surrogate')!.tensors);
      for (const [name, part] of computed) parts.set(name, part);
    }
    const merged = await transferring(parts);
    expect(merged.computed.size).toBe(0);
    expect(figures(merged.measured)).toEqual(figures(all.measured));
  });
});

it.each(Object.entries(presets))('the preset %s is plain data', (_, preset) => {
  expect(JSON.parse(JSON.stringify(preset))).toEqual(preset);
});
