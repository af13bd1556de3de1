import { describe, expect, test } from 'vitest';
import { findingsOf, type Evidence } from '../../../src/runtime/audit/checks/index.ts';
import type { Audit } from '../../../src/runtime/audit/document.ts';
import { planAudit, presetNames } from '../../../src/runtime/audit/plan-audit.ts';
import { wilson } from '../../../src/runtime/audit/wilson.ts';

const images = 200;
const measure = (right: number) => ({ accuracy: right / images, interval: wilson(right, images) });
const queries = { forward: 0, backward: 0 };

type Row = Audit['attacks'][string];
const attack = (
  access: Row['access'],
  given: Row['given'],
  attacked: number,
  broken: number,
  right: number,
): Row => ({
  title: access,
  access,
  given,
  attacked,
  broken,
  settings: { steps: 20, queries: 200 },
  queries,
  ...measure(right),
});

/** An audit in which all is well: 190 of 200 images are right, and the attacks leave 80. */
const well: Evidence = {
  images,
  classes: 10,
  trainedFor: {},
  largeEps: 0.5,
  clean: measure(190),
  worst: measure(80),
  threat: { norm: 'linf', eps: 0.1, range: [0, 1], goal: 'untargeted' },
  gradient: { available: true, why: null },
  labels: 'true',
  byClass: Array.from({ length: 10 }, (_, label) => ({
    label,
    name: `${label}`,
    images: 20,
    clean: 0.95,
    worst: 0.4,
  })),
  attacks: {
    noise: attack('none', 'all', 190, 2, 188),
    fgsm: attack('gradient', 'all', 190, 90, 100),
    pgd: attack('gradient', 'all', 190, 105, 85),
    apgd: attack('gradient', 'left', 85, 5, 80),
    square: attack('logits', 'left', 80, 0, 80),
    'pgd-doubled': attack('gradient', 'left', 80, 0, 80),
  },
  curve: {
    attack: 'PGD',
    images,
    points: [0, 0.1, 0.5].map((eps) => ({ eps, ...measure(eps === 0.5 ? 0 : 80) })),
  },
  probe: {
    findings: [],
    again: { images: 100, apart: 0, changed: 0 },
    alone: { images: 8, apart: 1e-6, changed: 0 },
  },
  rounded: { tried: 100, kept: 100 },
  preparations: null,
  demanded: false,
};

const found = (change: Partial<Evidence>): readonly string[] =>
  findingsOf({ ...well, ...change }).checks.map(({ id, level }) => `${level} ${id}`);
const attacks = (change: Evidence['attacks']) => ({ attacks: { ...well.attacks, ...change } });

const without = (name: string): Evidence['attacks'] =>
  Object.fromEntries(Object.entries(well.attacks).filter(([own]) => own !== name));

describe('the checks of an audit', () => {
  test('find nothing where all is well', () => {
    expect(found({})).toEqual([]);
  });

  test.for([
    [
      'answers that change',
      { probe: { ...well.probe, again: { images: 100, apart: 0.1, changed: 3 } } },
      'doubt random-answers',
    ],
    [
      'answers that depend on the batch',
      { probe: { ...well.probe, alone: { images: 8, apart: 0.1, changed: 0 } } },
      'doubt batch-dependent',
    ],
    ['weak attacks: PGD and Square', { attacks: without('apgd') }, 'doubt weak-attacks'],
    ['weak attacks: no Square', { attacks: without('square') }, 'doubt weak-attacks'],
    [
      'weak attacks: APGD of a few steps',
      attacks({ apgd: { ...well.attacks['apgd']!, settings: { steps: 19 } } }),
      'doubt weak-attacks',
    ],
    [
      'weak attacks: Square of a few queries',
      attacks({ square: { ...well.attacks['square']!, settings: { queries: 199 } } }),
      'doubt weak-attacks',
    ],
    ['no gradient', { gradient: { available: false, why: 'its operators have none' } }, 'doubt no-gradient'],
    ['a clean accuracy of guessing', { clean: measure(24) }, 'doubt near-chance'],
    [
      'PGD that leaves more than FGSM',
      attacks({ pgd: attack('gradient', 'all', 190, 80, 110) }),
      'doubt fgsm-below-pgd',
    ],
    [
      'an attack that does less than noise',
      attacks({ noise: attack('none', 'all', 190, 95, 95) }),
      'doubt attack-above-noise',
    ],
    [
      'Square that finds much more',
      attacks({ square: attack('logits', 'left', 80, 40, 40) }),
      'doubt square-better',
    ],
    [
      'Square that finds a little more',
      attacks({ square: attack('logits', 'left', 80, 2, 78) }),
      'note square-better',
    ],
    [
      'more steps that find more',
      attacks({ 'pgd-doubled': attack('gradient', 'left', 80, 4, 76) }),
      'note steps-not-enough',
    ],
    [
      'a curve that stays up',
      { curve: { ...well.curve!, points: [{ eps: 0.5, ...measure(60) }] } },
      'doubt above-chance-at-large-eps',
    ],
    ['changes that 8 bits cannot hold', { rounded: { tried: 100, kept: 40 } }, 'note lost-by-rounding'],
    ['no labels', { labels: 'answers' as const }, 'note own-answers'],
    [
      'three classes',
      {
        classes: 3,
        ...attacks({ apgd: { ...well.attacks['apgd']!, settings: { loss: 'dlr', steps: 20 } } }),
      },
      'note few-classes',
    ],
  ] as const)('find %s', ([, change, expected]) => {
    expect(found(change as Partial<Evidence>)).toEqual([expected]);
  });

  test('name both eps of an attacker that was trained for others', () => {
    const brought = attacks({ generator: attack('model', 'all', 190, 90, 100) });
    const titles = (eps: number | readonly [number, number]) =>
      findingsOf({ ...well, ...brought, trainedFor: { generator: eps } }).checks.map(({ title }) => title);
    expect(titles([0, 8 / 255])).toEqual(['generator was trained for eps 0..0.03137 and is scaled to 0.1']);
    expect(titles(0.2)).toEqual(['generator was trained for eps 0.2 and is scaled to 0.1']);
    expect([...titles(0.1), ...titles([0, 0.1])]).toEqual([]);
  });

  test('find attacks strong enough that break all, that ran again, or that ask where there is no gradient', () => {
    const none = { worst: measure(0), attacks: without('apgd') };
    expect(found(none)).toEqual([]);
    expect(found({ attacks: { ...without('apgd'), 'apgd-2': well.attacks['apgd']! } })).toEqual([]);
    const { noise, square } = well.attacks;
    const gradient = { available: false, why: 'its operators have none' };
    expect(found({ gradient, attacks: { noise: noise!, square: square! } })).toEqual(['doubt no-gradient']);
  });

  test.for(presetNames)('find the preset %s strong enough, with a gradient and without', (preset) => {
    for (const norm of ['linf', 'l2'] as const) {
      for (const gradient of [() => Promise.reject(new Error('not asked')), undefined]) {
        const { plan } = planAudit(
          { image: { channels: 1, height: 4, width: 4 }, classes: 2, ...(gradient && { gradient }) },
          { norm, eps: 0.1, attacks: preset, curve: [], seed: 1, batchSize: null },
        );
        const own = Object.fromEntries(
          plan.attacks.map(({ name, configured: { settings } }) => [
            name,
            { ...well.attacks['apgd']!, settings: { ...settings } },
          ]),
        );
        const seen = { attacks: own, gradient: { available: gradient !== undefined, why: 'none' } };
        expect(found(seen)).not.toContain('doubt weak-attacks');
      }
    }
  });

  test.for([
    ['square-better', { attacks: without('square') }],
    ['square-better', { attacks: { square: well.attacks['square']! } }],
    ['attack-above-noise', { attacks: without('noise') }],
    ['attack-above-noise', { attacks: { noise: well.attacks['noise']!, apgd: well.attacks['apgd']! } }],
    ['fgsm-below-pgd', { attacks: without('fgsm') }],
    ['steps-not-enough', { attacks: without('pgd-doubled') }],
    ['above-chance-at-large-eps', { curve: null }],
    ['above-chance-at-large-eps', { curve: { ...well.curve!, points: well.curve!.points.slice(0, 2) } }],
    ['near-chance', { labels: 'answers' }],
    ['zero-gradient', { gradient: { available: false, why: 'its operators have none' } }],
    ['batch-dependent', { probe: { ...well.probe, again: { images: 100, apart: 0.1, changed: 3 } } }],
    ['constant-answers', { probe: { ...well.probe, again: { images: 1, apart: 0, changed: 0 } } }],
    ['probabilities', { probe: { ...well.probe, findings: [{ check: 'not-a-number', message: 'NaN' }] } }],
    ['lost-by-rounding', { rounded: { tried: 9, kept: 0 } }],
  ] as const)('do not claim %s where it could not look', ([id, change]) => {
    const { checks, checked } = findingsOf({ ...well, ...change });
    expect(findingsOf(well).checked).toContain(id);
    expect(checked).not.toContain(id);
    expect(checks.map((check) => check.id)).not.toContain(id);
  });

  test('do not take for robust what is right at a large eps because of one class that most images have', () => {
    const one = [150, 50].map((of, label) => ({ label, name: `${label}`, images: of, clean: 1, worst: 1 }));
    const curve = { ...well.curve!, points: [{ eps: 0.5, ...measure(150) }] };
    expect(found({ curve, byClass: one })).toEqual([]);
  });

  test.for([
    [49, true, ['doubt few-images']],
    [50, true, ['note few-images']],
    [49, false, ['note few-images']],
    [100, true, []],
  ] as const)('of %i images, demanded: %s, find %o', ([of, demanded, expected]) => {
    expect(found({ images: of, demanded, byClass: [] })).toEqual(expected);
  });

  test('take for guessing neither images of one class alone nor a high accuracy', () => {
    const rows = (...counts: readonly number[]) =>
      counts.map((of, label) => ({ label, name: `${label}`, images: of, clean: 0.9, worst: 0.4 }));
    expect(found({ byClass: rows(200), clean: measure(120) })).toEqual([]);
    expect(found({ byClass: rows(200), clean: measure(24) })).toEqual(['doubt near-chance']);
    expect(found({ byClass: rows(190, 10), clean: measure(195) })).toEqual([]);
    expect(found({ byClass: rows(120, 80), clean: measure(120) })).toEqual(['doubt near-chance']);
    // where all images are of one class, what is right at a large eps is not what a guess has
    const curve = { ...well.curve!, points: [{ eps: 0.5, ...measure(60) }] };
    expect(found({ byClass: rows(200), curve })).toEqual(['doubt above-chance-at-large-eps']);
  });

  test('name another way to prepare the pixels only where it gains more than the choice of images explains', () => {
    const title = (accuracy: number, other: number, of = 200): string | undefined => {
      const others = [
        { option: '--scale -1..1', accuracy: 0 },
        { option: '--scale 0..255', accuracy: other },
      ];
      const { checks } = findingsOf({ ...well, preparations: { images: of, accuracy, others } });
      return checks.find(({ id, level }) => id === 'preparation' && level === 'doubt')?.title;
    };
    expect(title(0.6, 0.9)).toBe(
      '90.0 % of 200 images are right with --scale 0..255, and 60.0 % as they are prepared',
    );
    expect(title(0.12, 0.9)).toBeDefined();
    // a gain of 4 points, and one within the interval of 20 images
    expect(title(0.95, 0.99)).toBeUndefined();
    expect(title(0.6, 0.75, 20)).toBeUndefined();
    expect(title(0.9, 0.6)).toBeUndefined();
    expect(findingsOf(well).checked).not.toContain('preparation');
    const random = { ...well.probe, again: { images: 100, apart: 0.1, changed: 3 } };
    const preparations = { images: 200, accuracy: 0.6, others: [{ option: '--scale -1..1', accuracy: 0.9 }] };
    expect(findingsOf({ ...well, preparations, probe: random }).checked).not.toContain('preparation');
  });
});
