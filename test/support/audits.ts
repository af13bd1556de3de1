import { Audit } from '../../src/runtime/audit/document.ts';
import { wilson } from '../../src/runtime/audit/wilson.ts';
import type { AuditPictures } from '../../src/report/audit/index.ts';

/** An accuracy of so many images of so many. */
const measure = (right: number, images: number) => ({
  accuracy: right / images,
  interval: wilson(right, images),
});

type AuditedAttack = Audit['attacks'][string];

/** An attack that leaves so many of 500 images. */
export const attackOf = (
  title: string,
  access: AuditedAttack['access'],
  [attacked, broken]: readonly [number, number],
  { left, given = 'all', queries = [attacked, 0] }: MadeUpAttack,
): AuditedAttack => ({
  title,
  access,
  settings: access === 'gradient' ? { steps: 40, stepSize: null, restarts: 1 } : {},
  given,
  attacked,
  broken,
  ...measure(left, 500),
  queries: { forward: queries[0], backward: queries[1] },
});

interface MadeUpAttack {
  readonly left: number;
  readonly given?: AuditedAttack['given'];
  readonly queries?: readonly [forward: number, backward: number];
}

const names = Array.from({ length: 10 }, (_, i) => String(i));
const survivors = [35, 40, 21, 18, 15, 14, 26, 17, 7, 10];

/** An audit with made up numbers: 493 of 500 images are right without an attack, 203 under every attack. */
const madeUp: Audit = Audit.parse({
  schema: 2,
  classifier: {
    name: 'digits.onnx',
    sha256: 'ab'.repeat(32),
    bytes: 118_204,
    image: { channels: 1, height: 28, width: 28 },
    classes: 10,
    labels: null,
    facts: [
      { about: 'input', text: 'input image takes float32 [batch,1,28,28]' },
      { about: 'preprocessing', text: 'nothing says how pixels are scaled; 0..1 assumed (--scale)' },
    ],
    gradient: { available: true, why: null },
    selfCheck: { images: 3, apart: 2.4e-7, tolerance: 1e-3 },
  },
  data: {
    source: 'mnist',
    name: 'mnist',
    sha256: 'cd'.repeat(32),
    classes: names,
    count: 10_000,
    labels: 'true',
    skipped: [],
  },
  threat: { norm: 'linf', eps: 0.1, range: [0, 1], goal: 'untargeted' },
  images: 500,
  seed: 1,
  preset: 'standard',
  clean: { ...measure(493, 500), loss: 0.0421 },
  attacks: {
    noise: attackOf('noise', 'none', [493, 1], { left: 492 }),
    fgsm: attackOf('FGSM', 'gradient', [493, 122], { left: 371, queries: [493, 493] }),
    pgd: attackOf('PGD, 40 steps', 'gradient', [493, 279], { left: 214, queries: [493, 19_720] }),
    apgd: attackOf('APGD-CE, 100 steps', 'gradient', [213, 10], {
      left: 203,
      given: 'left',
      queries: [4100, 21_300],
    }),
    square: attackOf('Square, 5000 queries', 'logits', [203, 0], {
      left: 203,
      given: 'left',
      queries: [1_015_000, 0],
    }),
  },
  worst: { ...measure(203, 500), loss: 1.92 },
  byClass: names.map((name, label) => ({
    label,
    name,
    images: 50,
    clean: label === 9 ? 0.86 : 1,
    worst: survivors[label]! / 50,
  })),
  curve: {
    attack: 'PGD, 40 steps',
    images: 200,
    points: [
      [0, 198],
      [0.025, 190],
      [0.05, 163],
      [0.1, 86],
      [0.15, 21],
      [0.2, 2],
      [0.5, 0],
    ].map(([eps, right]) => ({ eps, ...measure(right!, 200) })),
  },
  smallestEps: { median: 0.1, broken: 198, images: 198 },
  samples: names.map((_, label) => ({
    place: 11 * label,
    name: null,
    label,
    before: { label, probability: 0.99 },
    after: { label: (3 * label + 2) % 10 === label ? 7 : (3 * label + 2) % 10, probability: 0.61 },
    attack: label < 7 ? 'fgsm' : 'pgd',
    distance: 0.1,
  })),
  checks: [],
  checked: ['not-a-number', 'probabilities', 'constant-answers', 'zero-gradient', 'random-answers'],
  notMeasured: [{ what: 'transfer', why: 'no surrogate was trained' }],
  complete: true,
  demands: [],
  accepted: [],
  verdict: 'none',
  environment: {
    device: 'cpu',
    threads: 2,
    onnxruntime: '1.29.0',
    node: '20.20.0',
    platform: 'linux-x64',
    cpu: 'Some CPU',
    sparring: '0.1.0',
    commit: null,
  },
  command: ['audit', 'digits.onnx', '--data', 'mnist', '--eps', '0.1', '--images', '500'],
  timing: { seconds: 212.4, attacks: { noise: 0.1, fgsm: 0.2, pgd: 3.4, apgd: 3.1, square: 98 } },
});

/** The made up audit with other parts. */
export const auditOf = (parts: Partial<Audit> = {}): Audit => ({ ...madeUp, ...parts });

/** A check that was not passed. */
export const checkOf = (id: string, level: 'doubt' | 'note', title: string): Audit['checks'][number] => ({
  id,
  level,
  title,
  why: 'This is what it means.',
  whatToDo: 'This is what to do.',
});

const zeroGradient = checkOf(
  'zero-gradient',
  'doubt',
  'the gradient is zero on every pixel of 51 of 100 images',
);

/** So many images right, so many left under every attack. */
export const accuraciesOf = (images: number, right: number, left: number): Partial<Audit> => ({
  images,
  clean: measure(right, images),
  worst: measure(left, images),
});

const demand = (met: boolean, atLeast: number): Audit['demands'][number] => ({
  kind: 'fail-under',
  atLeast,
  met,
  text: `robust accuracy 40.6 %, at least ${(100 * atLeast).toFixed(1)} % demanded (--fail-under)`,
});

const { square: squareAlone, noise: noiseAlone } = madeUp.attacks;

const long =
  'a class with a very long name, such as that of a Chesapeake Bay retriever beside a three-toed sloth';

/** Classes of ImageNet's number. */
const thousand = Array.from({ length: 1000 }, (_, i) =>
  i % 100 === 0 ? `${long} ${i}` : `class number ${i}`,
);

/** An audit of every kind, by name. */
export const audits = {
  plain: madeUp,
  passed: auditOf({ demands: [demand(true, 0.4)], verdict: 'passed' }),
  failed: auditOf({ demands: [demand(true, 0.3), demand(false, 0.5)], verdict: 'failed' }),
  doubt: auditOf({
    checks: [zeroGradient, checkOf('few-images', 'note', 'only 50 images were used')],
    demands: [demand(false, 0.4)],
    verdict: 'failed',
  }),
  doubts: auditOf({
    checks: [
      checkOf('random-answers', 'doubt', 'the same images got other logits when asked again'),
      zeroGradient,
      checkOf('above-chance-at-large-eps', 'doubt', '31.0 % of the images are still right at eps 0.5'),
      ...Array.from({ length: 6 }, (_, i) => checkOf(`note-${i}`, 'note', `this is worth knowing (${i})`)),
    ],
    accepted: ['zero-gradient'],
  }),
  queries: auditOf({
    classifier: {
      ...madeUp.classifier,
      gradient: { available: false, why: 'no gradient for the operator QLinearConv' },
      selfCheck: null,
    },
    attacks: { noise: noiseAlone!, square: { ...squareAlone!, attacked: 492, broken: 289 } },
    samples: madeUp.samples.map((each) => ({ ...each, attack: 'square' })),
    curve: null,
    smallestEps: null,
  }),
  unlabelled: auditOf({
    data: { ...madeUp.data, source: 'photos/', name: 'photos', labels: 'answers', count: 500 },
    ...accuraciesOf(500, 500, 203),
    checks: [checkOf('own-answers', 'note', "accuracy is agreement with the classifier's own answers")],
  }),
  unfinished: auditOf({
    complete: false,
    curve: null,
    smallestEps: null,
    notMeasured: [
      { what: 'square', why: 'the audit was stopped before it' },
      { what: 'accuracy against eps', why: 'the audit was stopped before it' },
    ],
  }),
  euclidean: auditOf({
    threat: { norm: 'l2', eps: 128 / 255, range: [0, 1], goal: 'untargeted' },
    classifier: { ...madeUp.classifier, image: { channels: 3, height: 32, width: 48 } },
    samples: madeUp.samples.map((each, i) => ({ ...each, distance: 0.4 + i / 100 })),
  }),
  thousand: auditOf({
    threat: { norm: 'linf', eps: 4 / 255, range: [0, 1], goal: 'untargeted' },
    classifier: {
      ...madeUp.classifier,
      name: 'a-network-with-a-rather-long-file-name-v2-quantised-per-channel-final-final.onnx',
      image: { channels: 3, height: 112, width: 100 },
      classes: 1000,
      labels: thousand,
    },
    data: {
      ...madeUp.data,
      classes: thousand,
      skipped: [{ name: 'n01440764/broken.png', reason: 'damaged or truncated PNG' }],
    },
    byClass: thousand.map((name, label) => ({
      label,
      name,
      images: 5,
      clean: 1,
      worst: Math.min(5, Math.floor(label / 170)) / 5,
    })),
    samples: madeUp.samples.map((each, i) => ({
      ...each,
      label: 100 * i,
      before: { label: 100 * i, probability: 0.99987 },
      after: { label: 100 * i + 7, probability: i === 0 ? null : 0.61 },
      name: `n0${i}440764/ILSVRC2012_val_0000${i}293.JPEG`,
      distance: 4 / 255,
    })),
    curve: {
      ...madeUp.curve!,
      points: [0, 1, 2, 4, 8, 16, 128].map((steps, i) => ({
        eps: steps / 255,
        ...measure([170, 120, 70, 21, 2, 0, 0][i]!, 200),
      })),
    },
    smallestEps: { median: 2 / 255, broken: 170, images: 170 },
  }),
} as const satisfies Readonly<Record<string, Audit>>;

/** Waves for images, and an attack that changes every value by eps. */
export function picturesOf({ samples, classifier, threat }: Audit): AuditPictures {
  const { channels, height, width } = classifier.image;
  const limit = threat.norm === 'linf' ? threat.eps : 0.02;
  return {
    samples: samples.map((_, i) => {
      const original = Float32Array.from({ length: channels * height * width }, (__, at) => {
        const [channel, y, x] = [
          Math.floor(at / (height * width)),
          Math.floor(at / width) % height,
          at % width,
        ];
        return (
          0.5 +
          0.4 * Math.sin((x * (i + 2)) / width + channel + (9 * y) / height) * Math.cos((3 * y) / height - i)
        );
      });
      const attacked = original.map((value, at) =>
        Math.min(1, Math.max(0, value + (Math.sin(at * at + i) > 0 ? limit : -limit))),
      );
      return { original, attacked };
    }),
  };
}
