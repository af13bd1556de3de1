import { attackOf, scoresOf, type Oracle } from '../attacks/index.ts';
import { findingsOf, auditChecks, type Evidence } from './checks/index.ts';
import { demandsOf, type Demanded } from './demands.ts';
import type { Audit } from './document.ts';
import type { Gathered } from './gather.ts';
import type { AuditPlan } from './plan.ts';
import { largeEpsOf } from './plan-audit.ts';
import type { Probe } from './probe.ts';
import type { Measured, Outcome } from './run-audit.ts';
import { wilson } from './wilson.ts';

/** What only the caller of an audit knows. */
export type About = Pick<
  Audit,
  'classifier' | 'data' | 'preset' | 'notMeasured' | 'environment' | 'command'
> & { readonly seconds: number };

/** Masks over the images, 1 where the classifier is right: without an attack, in each attack, and in the worst case. */
export type Masks = ReadonlyMap<string, Uint8Array>;

/** An audit as a document, from what was measured. Pure. */
export function auditOf(
  { image, classes }: Pick<Oracle, 'image' | 'classes'>,
  { threat, seed, curve }: AuditPlan,
  measured: Measured,
  { samples, rounded }: Gathered,
  probe: Probe,
  preparations: Evidence['preparations'],
  demanded: Demanded,
  { seconds, ...about }: About,
): Audit {
  const { outcomes, complete } = measured;
  const images = countOf(measured.seen);
  const masks = masksOf(measured);
  const worst = measureOf(masks.get('worst')!, images);
  const clean = cleanOf(measured, classes, images);
  const attacks = Object.fromEntries(
    outcomes.map((outcome) => [outcome.planned.name, attackRow(outcome, masks, images)]),
  );
  const byClass = classRows(measured, masks.get('worst')!, about.data.classes);
  const drawn = curve && measured.curve.size > 0 ? curveOf(measured, curve) : null;
  const checks = findingsOf({
    attacks,
    byClass,
    classes,
    clean,
    curve: drawn,
    gradient: about.classifier.gradient,
    images,
    labels: about.data.labels,
    largeEps: largeEpsOf(threat, image),
    preparations,
    probe,
    rounded,
    threat: { ...threat, range: [0, 1], goal: 'untargeted' },
    worst,
  });
  return {
    schema: 2,
    classifier: about.classifier,
    data: about.data,
    threat: { norm: threat.norm, eps: threat.eps, range: [0, 1], goal: 'untargeted' },
    images,
    seed,
    preset: about.preset,
    clean,
    attacks,
    worst,
    byClass,
    curve: drawn,
    smallestEps: drawn && smallestOf(measured, curve!.images),
    samples: [...samples],
    checks,
    checked: auditChecks.map(({ id }) => id),
    notMeasured: [...about.notMeasured, ...stopped(measured, curve !== null)],
    complete,
    ...demandsOf({ worst, checks, complete }, demanded),
    accepted: [...demanded.accepted],
    environment: about.environment,
    command: about.command,
    timing: {
      seconds,
      attacks: Object.fromEntries(outcomes.map(({ planned, seconds: own }) => [planned.name, own])),
    },
  };
}

const countOf = (flags: Uint8Array): number => flags.reduce((sum, flag) => sum + flag, 0);

const measureOf = (right: Uint8Array, images: number): Audit['worst'] => ({
  accuracy: countOf(right) / images,
  interval: wilson(countOf(right), images),
});

/** What the classifier has right of each image. An attack that takes what is left has right what all before it leave. */
export function masksOf({ right, outcomes }: Pick<Measured, 'right' | 'outcomes'>): Masks {
  const left = right.slice();
  const masks = new Map([['clean', right]]);
  for (const { planned, broken } of outcomes) {
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

function attackRow({ planned, attacked, broken, queries }: Outcome, masks: Masks, images: number) {
  const { attack, settings } = planned.configured;
  const { title, access } = attackOf(attack);
  return {
    title: title(settings as never),
    access,
    settings: { ...settings },
    given: planned.given,
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

function curveOf({ curve, seen }: Measured, planned: NonNullable<AuditPlan['curve']>) {
  const { attack, settings } = planned.configured;
  const images = countOf(seen.subarray(0, planned.images));
  return {
    attack: attackOf(attack).title(settings as never),
    images,
    points: [...curve].map(([eps, right]) => ({
      eps,
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
            why: `the audit was stopped after ${countOf(attacked)} images of it`,
          })),
        ...(hasCurve ? [{ what: 'curve', why: 'the audit was stopped before it was finished' }] : []),
      ];
