import { attackOf, scoresOf, type Oracle, type Trained } from '../attacks/index.ts';
import { findingsOf, type Evidence } from './checks/index.ts';
import { demandsOf, type Demanded } from './demands.ts';
import type { Audit, Figures } from './document.ts';
import type { Gathered } from './gather.ts';
import type { AuditPlan } from './plan.ts';
import { largeEpsOf } from './plan-audit.ts';
import type { Probe } from './probe.ts';
import { hasBegun, type Measured, type Outcome } from './run-audit.ts';
import { wilson } from './wilson.ts';

/** Masks over the images, 1 where the classifier is right: without an attack, in each attack, and in the worst case. */
export type Masks = ReadonlyMap<string, Uint8Array>;

/** All that an audit's figures are made of. */
export interface Finished {
  readonly measured: Measured;
  readonly gathered: Gathered;
  readonly probe: Probe;
  readonly preparations: Evidence['preparations'];
  /** Why there is no gradient to follow; null where there is one. */
  readonly noGradient: string | null;
  readonly labels: Audit['data']['labels'];
  /** The names of the classes. */
  readonly classes: readonly string[];
  /** What the plan leaves out. */
  readonly notMeasured: Audit['notMeasured'];
  /** Of the whole audit, as far as this process did it. */
  readonly seconds: number;
}

/** The figures of an audit, from what was measured. Pure. */
export function figuresOf(
  { image, classes, generator, universal }: Pick<Oracle, 'image' | 'classes' | Trained>,
  { threat, seed, curve: planned }: AuditPlan,
  finished: Finished,
  demanded: Demanded,
): Figures {
  const { measured, gathered, notMeasured } = finished;
  const { outcomes, complete } = measured;
  const images = countOf(measured.seen);
  const masks = masksOf(measured);
  const about: Audit['threat'] = { norm: threat.norm, eps: threat.eps, range: [0, 1], goal: 'untargeted' };
  const curve = planned && measured.curve.size > 0 ? curveOf(measured, planned, threat.eps) : null;
  const begun = outcomes.filter(hasBegun);
  const rowsOf = (some: readonly Outcome[]) =>
    Object.fromEntries(some.map((outcome) => [outcome.planned.name, attackRow(outcome, masks, images)]));
  const rows = {
    images,
    clean: cleanOf(measured, classes, images),
    attacks: rowsOf(begun.filter(({ planned: { probe } }) => !probe)),
    worst: measureOf(masks.get('worst')!, images),
    byClass: classRows(measured, masks.get('worst')!, finished.classes),
    curve,
  };
  const { checks, checked } = findingsOf({
    ...rows,
    attacks: rowsOf(begun),
    threat: about,
    classes,
    trainedFor: {
      ...(generator && { generator: generator.eps }),
      ...(universal && { universal: universal.eps }),
    },
    gradient: { available: finished.noGradient === null, why: finished.noGradient },
    labels: finished.labels,
    largeEps: largeEpsOf(threat, image),
    preparations: finished.preparations,
    probe: finished.probe,
    rounded: gathered.rounded,
    demanded: demanded.failUnder !== null || demanded.baseline !== null,
  });
  return {
    threat: about,
    seed,
    ...rows,
    smallestEps: curve && smallestOf(measured, planned!.images),
    samples: [...gathered.samples],
    checks,
    checked,
    notMeasured: [...notMeasured, ...stopped(measured, planned !== null)],
    complete,
    ...demandsOf({ worst: rows.worst, checks, complete }, demanded),
    accepted: [...demanded.accepted],
    timing: {
      seconds: finished.seconds,
      attacks: Object.fromEntries(outcomes.map(({ planned: { name }, seconds }) => [name, seconds])),
    },
  };
}

const countOf = (flags: Uint8Array): number => flags.reduce((sum, flag) => sum + flag, 0);

const measureOf = (right: Uint8Array, images: number): Audit['worst'] => ({
  accuracy: countOf(right) / images,
  interval: wilson(countOf(right), images),
});

/**
 * What the classifier has right of each image. An attack that takes what is left has right what all before it leave. One
 * that was not begun has no mask, and a probe's is not part of the worst case.
 */
export function masksOf({ right, outcomes }: Pick<Measured, 'right' | 'outcomes'>): Masks {
  const left = right.slice();
  const masks = new Map([['clean', right]]);
  for (const { planned, broken } of outcomes.filter(hasBegun)) {
    if (planned.probe) {
      masks.set(
        planned.name,
        left.map((flag, i) => flag & ~broken[i]!),
      );
      continue;
    }
    for (const [i, flag] of broken.entries()) if (flag === 1) left[i] = 0;
    const own = planned.given === 'all' ? right.map((flag, i) => flag & ~broken[i]!) : left.slice();
    masks.set(planned.name, own);
  }
  return masks.set('worst', left);
}

function cleanOf({ logits, labels, seen, right }: Measured, classes: number, images: number): Audit['clean'] {
  const scores = [...scoresOf({ data: logits, shape: [labels.length, classes] }, labels)];
  const losses = scores
    .filter(({ loss }, i) => seen[i] === 1 && Number.isFinite(loss))
    .map(({ loss }) => loss);
  const notNumbers = images - losses.length;
  return {
    ...measureOf(right, images),
    ...(losses.length > 0 && { loss: losses.reduce((sum, one) => sum + one, 0) / losses.length }),
    ...(notNumbers > 0 && { notNumbers }),
  };
}

function attackRow({ planned, attacked, broken, queries, complete }: Outcome, masks: Masks, images: number) {
  const { attack, settings } = planned.configured;
  const { title, access } = attackOf(attack);
  return {
    title: title(settings as never),
    access,
    settings: { ...settings },
    given: planned.given,
    ...(planned.most !== null && { most: planned.most }),
    ...(!complete && { unfinished: true as const }),
    attacked: countOf(attacked),
    broken: countOf(broken),
    ...measureOf(masks.get(planned.name)!, images),
    queries,
  };
}

function classRows({ labels, seen, right }: Measured, worst: Uint8Array, names: readonly string[]) {
  return names.flatMap((name, label) => {
    const own = [...labels.keys()].filter((i) => seen[i] === 1 && labels[i] === label);
    const part = (flags: Uint8Array): number => own.filter((i) => flags[i] === 1).length / own.length;
    return own.length === 0
      ? []
      : [{ label, name, images: own.length, clean: part(right), worst: part(worst) }];
  });
}

function curveOf({ curve, seen }: Measured, planned: NonNullable<AuditPlan['curve']>, own: number) {
  const { attack, settings } = planned.configured;
  const images = countOf(seen.subarray(0, planned.images));
  return {
    attack: attackOf(attack).title(settings as never),
    images,
    points: [...curve].map(([eps, right]) => ({
      eps,
      under: eps === 0 ? ('nothing' as const) : eps === own ? ('all' as const) : ('curve' as const),
      ...measureOf(right.subarray(0, planned.images), images),
    })),
  };
}

/** The eps of the curve at which half of the images that are right without an attack are broken. */
function smallestOf({ curve, right }: Measured, most: number): NonNullable<Audit['smallestEps']> {
  const first = [...right.subarray(0, most).keys()].filter((i) => right[i] === 1);
  const smallest = first
    .map((i) => [...curve].find(([, mask]) => mask[i] === 0)?.[0] ?? Infinity)
    .toSorted((a, b) => a - b);
  const median = smallest[Math.ceil(first.length / 2) - 1] ?? Infinity;
  return {
    median: Number.isFinite(median) ? median : null,
    broken: smallest.filter(Number.isFinite).length,
    images: first.length,
  };
}

/** What an audit that was stopped has not measured. */
const stopped = ({ outcomes, complete }: Measured, hasCurve: boolean): Audit['notMeasured'] =>
  complete
    ? []
    : [
        ...outcomes
          .filter((outcome) => !outcome.complete)
          .map(({ planned, attacked }) => ({
            what: planned.name,
            why: attacked.includes(1)
              ? `the audit was stopped after ${countOf(attacked)} images of it`
              : 'not run: the audit was stopped before it (time limit)',
          })),
        ...(hasCurve ? [{ what: 'curve', why: 'the audit was stopped before it was finished' }] : []),
      ];
