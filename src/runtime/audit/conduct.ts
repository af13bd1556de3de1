import type { Oracle } from '../attacks/index.ts';
import type { ImageSource } from '../data/source.ts';
import { InputError } from '../errors.ts';
import type { Evidence } from './checks/index.ts';
import type { Comparison } from './comparison.ts';
import type { Demanded } from './demands.ts';
import type { Figures } from './document.ts';
import { figuresOf, type Finished } from './figures.ts';
import { gather } from './gather.ts';
import type { AuditPlan } from './plan.ts';
import { probeClassifier, type Probe } from './probe.ts';
import { runAudit, type Measured, type RunOptions } from './run-audit.ts';
import { batchAt, type AuditEvent } from './work.ts';

/** A classifier to be audited. `openClassifier` gives one; any oracle will do. */
export interface Audited extends Oracle {
  readonly noGradient?: string | null;
  readonly gradientEnds?: readonly string[] | null;
  readonly comparison?: Comparison;
}

export interface ConductOptions extends RunOptions {
  readonly demanded: Demanded;
  readonly notMeasured: Finished['notMeasured'];
  /** Tries other ways to prepare the pixels of some clean images. Not called of a shard, or when the audit was stopped. */
  readonly prepareOtherwise?: () => Promise<Evidence['preparations']>;
}

/** What an audit gives. */
export interface Conducted {
  readonly figures: Figures;
  readonly measured: Measured;
}

/** Images that a classifier is looked at with before it is attacked. */
const probed = 100;

/**
 * A whole audit: looks at the classifier, measures it, looks at what was found, and judges. See {@link runAudit}.
 *
 * @throws InputError when it was stopped before anything was measured.
 */
export async function* conductAudit(
  classifier: Audited,
  source: ImageSource,
  plan: AuditPlan,
  { demanded, notMeasured, prepareOtherwise, ...options }: ConductOptions,
): AsyncGenerator<AuditEvent, Conducted> {
  const started = performance.now();
  const first = await batchAt(source, [...Array(Math.min(probed, source.count)).keys()]);
  const { gradientEnds = null, comparison } = classifier;
  const probe: Probe = await probeClassifier(classifier, first, gradientEnds, comparison);
  const measured = yield* runAudit(classifier, source, plan, options);
  if (!measured.seen.includes(1))
    throw new InputError('the audit was stopped before any image was classified');
  const noGradient = classifier.gradient ? null : (classifier.noGradient ?? 'it gives none');
  const gathered = await gather(classifier, source, measured, plan);
  const preparations =
    prepareOtherwise && measured.complete && !options.shard ? await prepareOtherwise() : null;
  const figures = figuresOf(
    classifier,
    plan,
    {
      measured,
      gathered,
      probe,
      preparations,
      noGradient,
      labels: source.labels === 'answers' ? 'answers' : 'true',
      classes: source.classes,
      notMeasured,
      seconds: (performance.now() - started) / 1000,
    },
    demanded,
  );
  return { figures, measured };
}
