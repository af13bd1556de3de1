import { beforeAll, describe, expect, test } from 'vitest';
import {
  attack,
  audit,
  InputError,
  openClassifier,
  type AuditEvent,
  type AuditOptions,
  type AuditResult,
  type Oracle,
} from '../../src/index.ts';
import { digits, type Digits } from '../support/examples.ts';
import { integerForms, quantisedMean } from '../support/quantised.ts';
import { binary, scaledTo255, traps } from '../support/traps.ts';

const one = { threads: 1 } as const;
const eps = 0.1;
let known: Digits;
let examples: Digits;

beforeAll(async () => {
  ({ known, test: examples } = await digits(100));
});

async function auditOf(
  model: Uint8Array,
  given: Pick<Digits, 'images' | 'labels'>,
  options: Partial<AuditOptions> = {},
): Promise<AuditResult> {
  const classifier = await openClassifier(model, one);
  try {
    return await audit(classifier, given, { eps, failUnder: 0.3, curve: [], ...options });
  } finally {
    await classifier.close();
  }
}

/** The first so many of the examples. */
const few = (count: number) => ({
  images: examples.images.subarray(0, count * 784),
  labels: examples.labels.subarray(0, count),
});

/** A network is trained where there is no gradient. */
const training = { timeout: 240_000 };

const doubtsOf = ({ checks }: AuditResult): readonly string[] =>
  checks.filter(({ level }) => level === 'doubt').map(({ id }) => id);

const cases = [
  { name: 'plain', doubts: [], verdict: 'passed' },
  // what is read as logits is what the softmax is of
  { name: 'sharpSoftmax', doubts: [], verdict: 'passed' },
  { name: 'hiddenSoftmax', doubts: ['probabilities'], verdict: 'failed' },
  { name: 'rounded', doubts: ['no-gradient', 'zero-gradient'], verdict: 'failed' },
  { name: 'noisy', doubts: ['random-answers', 'no-gradient'], verdict: 'failed' },
  { name: 'batchMean', doubts: ['batch-dependent'], verdict: 'failed' },
  { name: 'constant', doubts: ['constant-answers', 'near-chance', 'zero-gradient'], verdict: 'failed' },
] as const;

describe('a classifier that seems robust and is not is in doubt, and fails what is demanded', () => {
  test.for(cases)('$name: $doubts', training, async ({ name, doubts, verdict }) => {
    const found = await auditOf(traps[name](known), examples);
    expect(doubtsOf(found)).toEqual(doubts);
    expect(found.verdict).toBe(verdict);
  });

  test('one whose scores pass through 8 bits is not taken for a robust one', async () => {
    const [plain, quantised] = [
      await auditOf(traps.plain(known), examples),
      await auditOf(traps.quantised(known), examples),
    ];
    expect(quantised.worst.accuracy).toBeLessThanOrEqual(plain.worst.accuracy + 0.05);
  });

  test('one that computes with floats that were bytes is attacked by its gradient, and not taken for a robust one', async () => {
    const plain = await auditOf(traps.plain(known), few(60));
    const quantised = await auditOf(quantisedMean(known, 'QDQ'), few(60));
    expect(quantised.attacks['pgd']!.broken).toBeGreaterThan(0);
    expect(quantised.worst.accuracy).toBeLessThanOrEqual(plain.worst.accuracy + 0.05);
  });

  test.for(integerForms)('%s is recognised as what has no gradient', async (form) => {
    const classifier = await openClassifier(quantisedMean(known, form), one);
    expect(classifier.noGradient).toContain('computes in integers, which have no gradient');
    await classifier.close();
  });

  test.for(['QLinearConv', 'MatMulInteger'] as const)(
    '%s is audited by its answers, and seems robust to nobody',
    training,
    async (form) => {
      const found = await auditOf(quantisedMean(known, form), few(40), { attacks: ['noise', 'transfer'] });
      expect(doubtsOf(found)).toEqual(['no-gradient', 'weak-attacks', 'few-images']);
      expect(found.verdict).toBe('failed');
      expect(found.checks[0]!.title).toMatch(
        /only attacks by queries were possible: \w+: computes in integers/,
      );
      const { noise, transfer } = found.attacks;
      expect(found.clean.accuracy).toBeGreaterThan(0.7);
      expect(transfer!.accuracy).toBeLessThan(noise!.accuracy - 0.1);
      expect(transfer!.queries).toMatchObject({ backward: 0 });
    },
  );

  test('a doubt that is accepted fails nothing', async () => {
    const accept = ['no-gradient', 'zero-gradient', 'weak-attacks'];
    const found = await auditOf(traps.rounded(known), examples, { attacks: ['noise'], accept });
    expect(found.demands).toMatchObject([{ kind: 'fail-under', met: true }]);
    expect(found.verdict).toBe('passed');
  });
});

describe('a classifier of two classes', () => {
  const twoOf = ({ images, labels }: Digits) => {
    const places = [...labels.keys()].filter((i) => labels[i]! < 2);
    return {
      images: Float32Array.from(places.flatMap((i) => [...images.subarray(i * 784, (i + 1) * 784)])),
      labels: Uint8Array.from(places, (i) => labels[i]!),
    };
  };

  test('is attacked alike whether it gives two scores, one, or a probability', async () => {
    const found = [];
    for (const form of ['two', 'score', 'sigmoid'] as const) {
      found.push(await auditOf(binary(known, form), twoOf(examples), { eps: 0.3 }));
    }
    for (const each of found) {
      expect(each.clean.accuracy).toBe(1);
      expect(each.worst.accuracy).toBeLessThan(0.6);
      // 22 images are too few for a demand
      expect(doubtsOf(each)).toEqual(['few-images']);
      expect(each.checks.map(({ id }) => id)).toContain('few-classes');
    }
    expect(new Set(found.map(({ worst }) => worst.accuracy)).size).toBe(1);
  });
});

test('names the way to prepare the pixels with which a classifier is right', async () => {
  const found = await auditOf(scaledTo255(known), examples, { attacks: ['noise'] });
  const check = found.checks.find(({ id }) => id === 'preparation');
  expect(check).toMatchObject({ level: 'doubt', whatToDo: 'Try --scale 0..255.' });
});

describe('audit', () => {
  let found: AuditResult;
  const events: AuditEvent[] = [];
  beforeAll(async () => {
    found = await auditOf(traps.plain(known), examples, {
      curve: [0.05, 0.2, 0.5],
      onProgress: (event) => events.push(event),
    });
  });

  test('gives first figures in the order noise, FGSM, PGD', () => {
    const figures = events.flatMap((event) => (event.kind === 'figure' ? [event.title] : []));
    expect(figures.slice(0, 4)).toEqual(['clean', 'noise', 'fgsm', 'pgd']);
  });

  test('counts an image as right in the worst case only when no attack broke it', () => {
    const right = Math.round(found.clean.accuracy * found.images);
    expect(found.worst.accuracy * found.images).toBeCloseTo(right - found.adversarial.size, 9);
    for (const attack of Object.values(found.attacks)) {
      expect(found.worst.accuracy).toBeLessThanOrEqual(attack.accuracy);
    }
  });

  test('gives broken images inside the ball that the classifier gets wrong', async () => {
    const classifier = await openClassifier(traps.plain(known), one);
    for (const [place, image] of found.adversarial) {
      const original = examples.images.subarray(place * 784, (place + 1) * 784);
      expect(image.every((x, i) => x >= 0 && x <= 1 && Math.abs(x - original[i]!) <= eps + 1e-6)).toBe(true);
      const { data } = await classifier.logits({ data: image, shape: [1, 1, 28, 28] });
      expect(data.indexOf(Math.max(...data))).not.toBe(examples.labels[place]);
    }
    await classifier.close();
  });

  test('gives a curve that falls from the clean accuracy through that of the worst case to none', () => {
    const points = found.curve!.points.map(({ eps: at, accuracy }) => [at, accuracy] as const);
    expect(points.map(([at]) => at)).toEqual([0, 0.05, 0.1, 0.2, 0.5]);
    expect(points[0]![1]).toBe(found.clean.accuracy);
    expect(points[2]![1]).toBe(found.worst.accuracy);
    expect(points.at(-1)![1]).toBe(0);
    expect(points.map(([, accuracy]) => accuracy)).toEqual(
      points.map(([, accuracy]) => accuracy).toSorted((a, b) => b - a),
    );
    expect(found.smallestEps).toMatchObject({ median: 0.2, broken: 78, images: 78 });
  });

  test('takes an oracle that is an instance of a class', async () => {
    const classifier = await openClassifier(traps.plain(known), one);
    class Own {
      readonly image = classifier.image;
      readonly classes = classifier.classes;
      readonly #own = classifier;
      logits(...[images]: Parameters<Oracle['logits']>) {
        return this.#own.logits(images);
      }
      gradient(...given: Parameters<NonNullable<Oracle['gradient']>>) {
        return this.#own.gradient!(...given);
      }
    }
    const few = { images: examples.images.subarray(0, 20 * 784), labels: examples.labels.subarray(0, 20) };
    const options = { eps, attacks: ['noise', 'mi-fgsm'], curve: [] } as const;
    const { timing: _, checked, ...own } = await audit(new Own(), few, options);
    const { timing: __, checked: all, ...plain } = await audit(classifier, few, options);
    expect(own).toEqual(plain);
    // there is no file whose pixels could be prepared otherwise
    expect(checked).toEqual(all.filter((id) => id !== 'preparation'));
    await classifier.close();
  });

  test('takes attacks with settings, and says of each what attack() says of it', async () => {
    const classifier = await openClassifier(traps.plain(known), one);
    const pgd = { method: 'pgd', steps: 5 } as const;
    const { attacks, checks } = await audit(classifier, few(60), {
      eps,
      seed: 3,
      attacks: [pgd, 'pgd', { method: 'pgd', steps: 40 }, { method: 'apgd', steps: 3 }, 'square'],
      curve: [],
    });
    const { success } = await attack(classifier, few(60), { ...pgd, eps, seed: 3 });
    expect(attacks['pgd']).toMatchObject({
      settings: { steps: 5 },
      accuracy: success.filter((yes) => !yes).length / 60,
    });
    // the one by name and the one with its default settings are the same
    expect(Object.keys(attacks)).toEqual(['pgd', 'pgd-2', 'apgd', 'square']);
    expect(attacks['pgd-2']).toMatchObject({ settings: { steps: 40 } });
    expect(checks.find(({ id }) => id === 'weak-attacks')?.title).toBe(
      'only weak attacks were run: none of apgd, apgd-t, fab, pgd-adam with 20 steps or more',
    );
    await classifier.close();
  });

  test('ends with the reason of a signal', async () => {
    const controller = new AbortController();
    const stopped = auditOf(traps.plain(known), examples, {
      signal: controller.signal,
      onProgress: (event) => void (event.title === 'pgd' && controller.abort(new Error('enough'))),
    });
    await expect(stopped).rejects.toThrow('enough');
  });

  test.for([
    [{ eps: 0 }, 'eps must be above 0, got 0'],
    [{ failUnder: 40 }, 'failUnder must be a fraction from 0 to 1, got 40'],
    [{ curve: [0, 0.1] }, 'curve: each eps must be above 0 and at most 1 for linf, got 0'],
    [{ curve: [8] }, 'at most 1 for linf, got 8 (did you mean 8/255?)'],
    [{ curve: [NaN] }, 'at most 1 for linf, got NaN'],
    [{ norm: 'l2', curve: [-1] }, 'curve: each eps must be a finite number above 0, got -1'],
    [{ accept: ['all'] }, 'accept: there is no check all; there are not-a-number, '],
    [{ attacks: 'fast' as 'quick' }, 'there is no preset fast; there are quick'],
    [{ attacks: [] }, 'attacks is empty; list some, or take a preset: quick'],
    [{ attacks: ['genie'] as unknown as readonly ['pgd'] }, 'there is no attack genie'],
    [{ attacks: [{ method: 'pgd', steps: 0 }] }, 'steps of pgd must be'],
    [{ attacks: 5 as unknown as 'quick' }, /^attacks must be a list or a preset \(quick, .*\), got 5$/],
    [{ attacks: [null] as unknown as readonly ['pgd'] }, 'attacks: each must be a name or { method, '],
    [
      { attacks: [{ method: 'transfer' }] as unknown as readonly ['pgd'] },
      "attacks: transfer takes no settings here; list it as 'transfer'",
    ],
    [{ signal: AbortSignal.abort(new InputError('before it began')) }, 'before it began'],
  ] as const)('rejects %o', async ([options, message]) => {
    const rejected = auditOf(traps.plain(known), examples, options);
    await expect(rejected).rejects.toThrow(message);
    await expect(rejected).rejects.toBeInstanceOf(InputError);
  });

  test('rejects an attack that was asked for by name and needs a gradient that there is none of', async () => {
    const rejected = auditOf(traps.rounded(known), examples, { attacks: ['pgd'] });
    await expect(rejected).rejects.toThrow(/^pgd needs gradients of the classifier; leave it out \(.*Round/);
  });
});
