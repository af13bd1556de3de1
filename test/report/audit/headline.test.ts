import { describe, expect, it } from 'vitest';
import type { Audit } from '../../../src/runtime/audit/document.ts';
import { headline } from '../../../src/report/audit/headline.ts';
import { outcomeOf } from '../../../src/report/audit/outcome.ts';
import { accuraciesOf, attackOf, auditOf, audits, checkOf } from '../../support/audits.ts';

const { plain, queries } = audits;
const noise = plain.attacks['noise']!;
const upTo = 'an attacker who may change every pixel by up to';

const measured: readonly (readonly [kind: string, audit: Audit, text: string])[] = [
  [
    'a plain audit',
    plain,
    `Of 493 images that digits.onnx gets right, ${upTo} 0.1 fools it on 290 (58.8 %).`,
  ],
  [
    'an eps of pixels in 0..255',
    auditOf({ threat: { ...plain.threat, eps: 8 / 255 } }),
    `Of 493 images that digits.onnx gets right, ${upTo} 8/255 fools it on 290 (58.8 %).`,
  ],
  [
    'the Euclidean norm',
    audits.euclidean,
    'Of 493 images that digits.onnx gets right, an attacker who may change an image by an L2 distance of up to 128/255 fools it on 290 (58.8 %).',
  ],
  [
    'answers alone',
    queries,
    'Of 493 images that digits.onnx gets right, an attacker who sees only its answers and may change every pixel by up to 0.1 fools it on 290 (58.8 %).',
  ],
  [
    'another model alone',
    auditOf({ attacks: { transfer: attackOf('transfer', 'model', [493, 290], { left: 203 }) } }),
    'Of 493 images that digits.onnx gets right, an attacker who knows only a classifier like it and may change every pixel by up to 0.1 fools it on 290 (58.8 %).',
  ],
  [
    'images without labels',
    audits.unlabelled,
    `Of 500 images, ${upTo} 0.1 makes digits.onnx change its answer on 297 (59.4 %).`,
  ],
  [
    'an audit that was stopped',
    audits.unfinished,
    `Of 493 images that digits.onnx gets right, ${upTo} 0.1 fools it on at least 290 (58.8 %).`,
  ],
  [
    'a classifier that is fooled on every image',
    auditOf(accuraciesOf(500, 493, 0)),
    `Of 493 images that digits.onnx gets right, ${upTo} 0.1 fools it on 493.`,
  ],
  [
    'a classifier that is fooled on all but one of many images',
    auditOf(accuraciesOf(10_000, 9999, 1)),
    `Of 9,999 images that digits.onnx gets right, ${upTo} 0.1 fools it on 9,998 (> 99.9 %).`,
  ],
  [
    'a classifier that is fooled on none',
    auditOf(accuraciesOf(500, 493, 493)),
    'No attack tried here fools digits.onnx on any of the 493 images that it gets right, where the attacker may change every pixel by up to 0.1.',
  ],
  [
    'a file with a long name',
    audits.thousand,
    `Of 493 images that this classifier gets right, ${upTo} 4/255 fools it on 290 (58.8 %).`,
  ],
];

const doubt = checkOf('zero-gradient', 'doubt', 'the gradient is zero');
const cannotSay = 'This audit cannot say how robust digits.onnx is.';

const unbelievable: readonly (readonly [kind: string, audit: Audit, text: string])[] = [
  ['a check in doubt', auditOf({ checks: [doubt] }), cannotSay],
  ['a check of a kind that is new', auditOf({ checks: [{ ...doubt, id: 'new' }] }), cannotSay],
  ['several checks in doubt', audits.doubts, cannotSay],
  ['a doubt that the user accepts', auditOf({ checks: [doubt], accepted: ['zero-gradient'] }), cannotSay],
  ['a doubt that passed all demands', auditOf({ checks: [doubt], verdict: 'passed' }), cannotSay],
  ['a doubt where nothing broke', auditOf({ checks: [doubt], ...accuraciesOf(500, 493, 493) }), cannotSay],
  ['a doubt in an audit that was stopped', { ...audits.unfinished, checks: [doubt] }, cannotSay],
  [
    'a classifier that gets nothing right',
    auditOf(accuraciesOf(500, 0, 0)),
    'Of 500 images, digits.onnx gets none right without an attack, so there is nothing to attack.',
  ],
  [
    'no attack',
    auditOf({ attacks: {}, ...accuraciesOf(500, 493, 493) }),
    'No attack was tried on digits.onnx: nothing is known of its robustness.',
  ],
  [
    'an attack that did not begin',
    auditOf({ attacks: { pgd: attackOf('PGD', 'gradient', [0, 0], { left: 493 }) } }),
    'No attack was tried on digits.onnx: nothing is known of its robustness.',
  ],
  [
    'noise alone',
    auditOf({ attacks: { noise }, ...accuraciesOf(500, 493, 492) }),
    'Only random noise was tried on digits.onnx: this says nothing of an attacker who looks for the worst change.',
  ],
];

describe('the headline', () => {
  it.each(measured)('of %s says how often attacks succeed', (_, audit, text) => {
    expect(headline(audit)).toMatchObject({ kind: 'measured', text });
  });

  it.each(unbelievable)('of %s gives no number as robustness', (_, audit, text) => {
    const found = headline(audit);
    expect(found.text).toBe(text);
    expect(found.kind).not.toBe('measured');
    expect(found.more.join(' ')).not.toMatch(/robust accuracy is/i);
    expect(
      outcomeOf(audit)
        .map(({ name }) => name)
        .join(),
    ).not.toContain('robust');
    expect(outcomeOf(audit).map(({ kind }) => kind)).not.toContain('left');
  });

  it('gives intervals, and says that it is an upper bound', () => {
    expect(headline(plain).more).toEqual([
      'Robust accuracy is 40.6 % (95 % interval 36.4 to 45.0) of 500 images; accuracy without an attack is 98.6 % (97.1 to 99.3).',
      'That is an upper bound: a stronger attack may fool it more often.',
    ]);
  });

  it('says that attacks without success prove nothing', () => {
    expect(headline(auditOf(accuraciesOf(500, 493, 493))).more).toContain(
      'That is no proof of robustness: another attack may fool it.',
    );
  });

  it('says why no attack followed the gradient', () => {
    expect(headline(queries).more).toContain(
      'Attacks that follow the gradient are the strongest, and none could: no gradient for the operator QLinearConv.',
    );
    const chosen = auditOf({ attacks: queries.attacks });
    expect(headline(chosen).more).toContain(
      'Attacks that follow the gradient are the strongest, and none was run.',
    );
  });

  it('says that there are no labels, that it was stopped, and that images were left out', () => {
    expect(headline(audits.unlabelled).more.join(' ')).toContain('The images have no labels');
    expect(headline(audits.unfinished).more[0]).toContain('The audit was stopped early');
    expect(headline({ ...audits.unfinished, checks: [doubt] }).more[0]).toContain('stopped early');
    expect(headline(audits.thousand).more).toContain('1 image could not be read and was left out.');
  });

  it('calls the accuracy robust where nothing is in doubt', () => {
    expect(outcomeOf(plain)).toEqual([
      { kind: 'left', name: 'right under every attack: robust accuracy', images: 203 },
      { kind: 'fooled', name: 'fooled by an attack', images: 290 },
      { kind: 'wrong', name: 'wrong without an attack', images: 7 },
    ]);
  });
});
