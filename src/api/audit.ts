import type { Configured, Norm, Untrained } from '../runtime/attacks/index.ts';
import { auditChecks } from '../runtime/audit/checks/index.ts';
import { conductAudit, type Audited, type Conducted } from '../runtime/audit/conduct.ts';
import type { Figures } from '../runtime/audit/document.ts';
import { planAudit, presetNames, type Listed, type PresetName } from '../runtime/audit/plan-audit.ts';
import type { AuditEvent } from '../runtime/audit/work.ts';
import { numbered, type ImageSource } from '../runtime/data/source.ts';
import { InputError } from '../runtime/errors.ts';
import { float32 } from '../runtime/tensor.ts';
import type { OpenClassifier } from './classifier.ts';
import { checkedBatch, partOf, type Examples } from './examples.ts';
import { chosen, type Method, type MethodOptions } from './method.ts';
import { planOf, type CommonOptions } from './run.ts';
import { surrogateMaker } from './surrogate.ts';

/** What an audit runs, and what is demanded of it. */
export interface AuditOptions extends Pick<CommonOptions, 'eps' | 'norm' | 'seed' | 'batchSize' | 'signal'> {
  /**
   * A preset, or attacks: names, for the default settings, or settings of your own, such as `{ method: 'pgd', steps: 100 }`.
   * Default: `quick`. `transfer` follows a network that is trained on the answers; presets add it where there is no gradient.
   */
  readonly attacks?: PresetName | readonly (Method | 'transfer' | MethodOptions)[];
  /** Eps of the accuracy-against-eps curve; empty for none. Default: those that suit `eps`. */
  readonly curve?: readonly number[];
  /** The least robust accuracy, in 0..1. */
  readonly failUnder?: number;
  /** Ids of checks whose doubts do not fail the audit. */
  readonly accept?: readonly string[];
  /** Called after each step of an attack, and with each figure as it comes. */
  readonly onProgress?: (event: AuditEvent) => void;
}

/** What an audit found: the fields of `audit.json` that are measured, and the broken images. */
export interface AuditResult extends Figures {
  /** The attacked image of each that an attack broke, by its place: pixels in 0..1 in the order [channel, row, column]. */
  readonly adversarial: ReadonlyMap<number, Float32Array>;
}

/**
 * Audits a classifier: measures it without an attack, under one attack after another and over eps, and says in `checks`
 * why the numbers may not be trusted. A `doubt` that is not accepted fails every demand. What `sparring audit` does.
 *
 * @param classifier what `openClassifier` gives, or an {@link Oracle} of your own.
 * @param examples all of them are used.
 * @param options `eps` is required; all others have defaults.
 * @throws InputError when an option or the examples are wrong; the reason of the signal when that was aborted.
 * @example
 * const { worst, checks, verdict } = await audit(classifier, { images, labels }, { eps: 8 / 255, failUnder: 0.4 });
 */
export async function audit(
  classifier: Audited | OpenClassifier,
  examples: Omit<Examples, 'targets'> | ImageSource,
  { attacks = 'quick', curve, failUnder, accept = [], signal, onProgress, ...common }: AuditOptions,
): Promise<AuditResult> {
  const { threat, seed, pause } = planOf({ ...common, ...(signal && { signal }) });
  if (threat.eps === 0) throw new InputError('eps must be above 0, got 0');
  if (failUnder !== undefined && !(failUnder >= 0 && failUnder <= 1)) {
    throw new InputError(`failUnder must be a fraction from 0 to 1, got ${failUnder}`);
  }
  for (const each of curve ?? []) checkCurve(each, threat.norm);
  const unknown = accept.find((each) => !auditChecks.some(({ id }) => id === each));
  if (unknown !== undefined) {
    const ids = auditChecks.map(({ id }) => id).join(', ');
    throw new InputError(`accept: there is no check ${unknown}; there are ${ids}`);
  }
  const source = 'read' in examples ? examples : sourceOf(classifier, examples);
  if (source.labels === 'unknown') {
    throw new InputError(`${source.name}: has no labels; take the classifier's own answers with labelledBy`);
  }
  const { plan, notMeasured } = planAudit(classifier, {
    norm: threat.norm,
    eps: threat.eps,
    attacks: listOf(attacks),
    curve: curve ?? null,
    seed,
    batchSize: common.batchSize ?? null,
  });
  const opened = classifier as Partial<OpenClassifier>;
  const work = conductAudit(classifier, source, plan, {
    demanded: { failUnder: failUnder ?? null, baseline: null, accepted: accept },
    notMeasured,
    surrogateMaker: opened.surrogateMaker ?? surrogateMaker(classifier, { threads: 1 }),
    ...(opened.preparations && { prepareOtherwise: () => opened.preparations!(source) }),
    ...(signal && { signal }),
  });
  const { figures, measured } = await toItsEnd(work, pause, onProgress);
  const adversarial = new Map([...measured.adversarial].map(([place, { image }]) => [place, image]));
  return { ...figures, adversarial };
}

function checkCurve(eps: number, norm: Norm): void {
  if (eps > 0 && eps <= (norm === 'linf' ? 1 : Number.MAX_VALUE)) return;
  const hint = eps > 1 && eps < 256 ? ` (did you mean ${eps}/255?)` : '';
  const range = norm === 'linf' ? 'above 0 and at most 1 for linf' : 'a finite number above 0';
  throw new InputError(`curve: each eps must be ${range}, got ${eps}${hint}`);
}

async function toItsEnd(
  work: ReturnType<typeof conductAudit>,
  pause: () => Promise<void>,
  onProgress: AuditOptions['onProgress'],
): Promise<Conducted> {
  try {
    for (;;) {
      const next = await work.next();
      if (next.done) return next.value;
      onProgress?.(next.value);
      await pause();
    }
  } finally {
    await work.return(undefined as never);
    // what was measured until it was stopped is no audit
    await pause();
  }
}

function listOf(attacks: NonNullable<AuditOptions['attacks']>): PresetName | readonly Listed[] {
  const names = presetNames.join(', ');
  if (typeof attacks === 'string') {
    if (presetNames.includes(attacks)) return attacks;
    throw new InputError(`there is no preset ${String(attacks)}; there are ${names}`);
  }
  const list: unknown = attacks;
  if (!Array.isArray(list)) {
    throw new InputError(`attacks must be a list or a preset (${names}), got ${JSON.stringify(list)}`);
  }
  if (attacks.length === 0) throw new InputError(`attacks is empty; list some, or take a preset: ${names}`);
  return attacks.map((each) => {
    if (each === 'transfer') return each;
    if (typeof each === 'string') return chosen({ method: each }).method;
    const given: unknown = each;
    if (typeof given !== 'object' || given === null) {
      throw new InputError(`attacks: each must be a name or { method, ...settings }, got ${String(given)}`);
    }
    if ('method' in given && given.method === 'transfer') {
      throw new InputError("attacks: transfer takes no settings here; list it as 'transfer'");
    }
    const { method, settings } = chosen(each);
    return { attack: method, settings } as Configured<Untrained>;
  });
}

/** Examples in memory as a source. */
function sourceOf(classifier: Audited, examples: Omit<Examples, 'targets'>): ImageSource {
  const all = checkedBatch(classifier, examples, [0, 1]);
  return {
    name: 'examples',
    shape: classifier.image,
    classes: (classifier as Partial<OpenClassifier>).labels ?? numbered(classifier.classes),
    count: all.labels.length,
    sha256: '',
    read(indices) {
      const parts = Array.from(indices, (index) => partOf(all, index, 1));
      const size = all.images.data.length / all.labels.length;
      const data = new Float32Array(parts.length * size);
      parts.forEach(({ images }, i) => data.set(images.data, i * size));
      const [, channels, height, width] = all.images.shape;
      return Promise.resolve({
        image: float32([parts.length, channels, height, width], data),
        label: {
          dtype: 'int32',
          shape: [parts.length],
          data: Int32Array.from(parts, ({ labels }) => labels[0]!),
        },
      });
    },
  };
}
