import { scoresOf, type Oracle, type SettingsOf } from '../attacks/index.ts';
import { valuesOf, type ImageSource } from '../data/source.ts';
import { attackBlock } from './attack-block.ts';
import { counted } from './counted.ts';
import type { Queries } from './oracle.ts';
import { measureCurve } from './measure-curve.ts';
import { noParts, type Parts } from './parts.ts';
import { blocksOf, type AuditPlan, type Block, type PlannedAttack, type Shard } from './plan.ts';
import { trainedSurrogate } from './surrogate-part.ts';
import type { SurrogateMaker } from './surrogate.ts';
import { batchAt, partOf, type AuditEvent, type Work } from './work.ts';

/** What one attack did. */
export interface Outcome {
  readonly planned: PlannedAttack;
  /** By image: 1 where it was attacked. */
  readonly attacked: Uint8Array;
  /** By image: 1 where the attack broke it. */
  readonly broken: Uint8Array;
  readonly queries: Queries;
  readonly seconds: number;
  /** False where it was stopped, or not begun. */
  readonly complete: boolean;
}

/** Whether an attack was given images, or had none to be given: what was stopped before it has no result. */
export const hasBegun = ({ complete, attacked }: Pick<Outcome, 'complete' | 'attacked'>): boolean =>
  complete || attacked.includes(1);

/** A broken image. */
export interface Adversarial {
  /** The name of the attack that broke it first. */
  readonly attack: string;
  readonly image: Float32Array;
}

/** What an audit has measured. */
export interface Measured {
  /** By image: the logits without an attack, one row an image. */
  readonly logits: Float32Array;
  readonly labels: Int32Array;
  /** By image: 1 where its logits are known. All, unless the audit was stopped or is a shard. */
  readonly seen: Uint8Array;
  /** By image: 1 where it is right without an attack. */
  readonly right: Uint8Array;
  readonly outcomes: readonly Outcome[];
  /** By image: the smallest change that was found, for those that are right without one. */
  readonly adversarial: ReadonlyMap<number, Adversarial>;
  /** By eps of the plan's curve: 1 where the image is right, for its first images. Empty where it was stopped. */
  readonly curve: ReadonlyMap<number, Uint8Array>;
  readonly complete: boolean;
}

/** How an audit runs, which its numbers do not depend on. */
export interface RunOptions {
  /** Finished parts of an interrupted audit with the same plan. */
  readonly parts?: Parts;
  /** Ends the audit after the step at hand; what is finished by then is measured, and `complete` is false. */
  readonly signal?: AbortSignal;
  /** Only a part of the images. */
  readonly shard?: Shard | null;
  /** Makes the network of the attack `transfer`. */
  readonly surrogateMaker?: SurrogateMaker;
}

/**
 * Measures a classifier: without an attack, then under one attack after another, then over eps. The same plan, classifier,
 * device and number of threads give the same numbers, also when the audit is interrupted and resumed, or its images are
 * dealt to several machines.
 *
 * @param source with labels.
 * @throws Error when an attack leaves the threat model.
 */
export async function* runAudit(
  classifier: Oracle,
  source: ImageSource,
  plan: AuditPlan,
  { parts = noParts, signal, shard = null, surrogateMaker }: RunOptions = {},
): AsyncGenerator<AuditEvent, Measured> {
  const { oracle, queries } = counted(classifier);
  const blocks = blocksOf(source.count, plan.blockSize, shard);
  const images = blocks.reduce((sum, { places }) => sum + places.length, 0);
  const work: Work = { oracle, queries, source, plan, parts, signal: signal ?? new AbortController().signal };
  const clean = yield* measureClean(work, blocks, images);
  const left = clean.right.slice();
  const outcomes: Outcome[] = [];
  const adversarial = new Map<number, Adversarial>();
  for (const planned of plan.attacks) {
    const given = planned.given === 'all' ? clean.right : left;
    const { attack, settings } = planned.configured;
    const outcome =
      attack === 'transfer'
        ? yield* runTransfer(work, planned, settings, blocks, given, { left, adversarial }, surrogateMaker)
        : yield* runAttack(work, planned, blocks, given, { left, adversarial });
    outcomes.push(outcome);
    if (!outcome.complete || planned.probe) continue;
    const { attacked, broken } = outcome;
    const right = planned.given === 'all' ? count(attacked) - count(broken) : count(left);
    yield { kind: 'figure', title: planned.name, given: planned.given, right, images };
  }
  const complete = clean.complete && outcomes.every((outcome) => outcome.complete);
  const curve =
    complete && plan.curve ? yield* measureCurve(work, blocks, clean.right, left, plan.curve) : null;
  return {
    logits: clean.logits,
    labels: clean.labels,
    seen: clean.seen,
    right: clean.right,
    outcomes,
    adversarial,
    curve: curve ?? new Map<number, Uint8Array>(),
    complete: complete && (plan.curve === null || curve !== null),
  };
}

const count = (flags: Uint8Array): number => flags.reduce((sum, flag) => sum + flag, 0);

/** The logits of all images as they are. */
async function* measureClean(
  { oracle, source, parts, signal }: Work,
  blocks: readonly Block[],
  images: number,
) {
  const { classes } = oracle;
  const logits = new Float32Array(source.count * classes);
  const labels = new Int32Array(source.count);
  const [seen, right] = [new Uint8Array(source.count), new Uint8Array(source.count)];
  let done = 0;
  for (const { index, places } of blocks) {
    if (signal.aborted) break;
    const name = `clean-${index}`;
    const { images: given, labels: own } = await batchAt(source, places);
    const kept = (await parts.find(name))?.tensors.get('logits')?.data as Float32Array | undefined;
    const found = kept?.length === places.length * classes ? kept : (await oracle.logits(given)).data;
    if (found !== kept) {
      const shape = [places.length, classes];
      await parts.keep(name, partOf({ logits: { dtype: 'float32', shape, data: found } }));
    }
    logits.set(found, places[0]! * classes);
    labels.set(own, places[0]!);
    for (const [i, score] of [...scoresOf({ data: found, shape: [places.length, classes] }, own)].entries()) {
      seen[places[i]!] = 1;
      right[places[i]!] = score.right ? 1 : 0;
    }
    done += places.length;
    yield { kind: 'progress', title: 'clean', done, total: images } satisfies AuditEvent;
  }
  const complete = done === images;
  if (complete)
    yield { kind: 'figure', title: 'clean', given: 'all', right: count(right), images } satisfies AuditEvent;
  return { logits, labels, seen, right, complete };
}

/** What the attacks have left, and what they have broken: both change as an attack goes on. */
interface State {
  readonly left: Uint8Array;
  readonly adversarial: Map<number, Adversarial>;
}

/** Trains the network that the attack follows, which counts as part of the attack, and runs it. */
async function* runTransfer(
  work: Work,
  planned: PlannedAttack,
  settings: SettingsOf<'transfer'>,
  blocks: readonly Block[],
  given: Uint8Array,
  state: State,
  maker: SurrogateMaker | undefined,
): AsyncGenerator<AuditEvent, Outcome> {
  if (!maker) throw new Error('transfer was planned, and nothing makes its network; this is a bug');
  const some = blocks.some(({ places }) => places.some((place) => given[place] === 1));
  const trained = some ? yield* trainedSurrogate(work, settings, maker) : null;
  // nothing to attack, or stopped
  if (!trained) return yield* runAttack(work, planned, blocks, given, state);
  const network = await maker.open(trained.weights);
  try {
    const oracle = { ...work.oracle, surrogate: network.gradient! };
    const outcome = yield* runAttack({ ...work, oracle }, planned, blocks, given, state);
    const { forward, backward } = outcome.queries;
    return {
      ...outcome,
      queries: { forward: forward + trained.forward, backward },
      seconds: outcome.seconds + trained.seconds,
    };
  } finally {
    await network.close();
  }
}

async function* runAttack(
  work: Work,
  planned: PlannedAttack,
  blocks: readonly Block[],
  given: Uint8Array,
  { left, adversarial }: State,
): AsyncGenerator<AuditEvent, Outcome> {
  const { name, configured, most, probe = false } = planned;
  const before = given.slice();
  const batches = blocks
    .map(({ index, places }) => ({
      index,
      places: places.filter((place) => before[place] === 1 && place < (most ?? Infinity)),
    }))
    .filter(({ places }) => places.length > 0);
  const total = batches.reduce((sum, { places }) => sum + places.length, 0);
  const [attacked, broken] = [new Uint8Array(before.length), new Uint8Array(before.length)];
  let [seconds, forward, backward, done] = [0, 0, 0, 0];
  for (const block of batches) {
    const part = yield* attackBlock(work, block, {
      part: `attack-${name}-${block.index}`,
      title: name,
      configured,
      eps: work.plan.threat.eps,
      done,
      total,
      // the images of one that is broken already are not kept again
      keeps: (place) => !probe && left[place] === 1,
    });
    if (!part) break;
    done += block.places.length;
    seconds += part.seconds;
    forward += part.queries.forward;
    backward += part.queries.backward;
    const size = valuesOf(work.oracle.image);
    let at = 0;
    for (const [i, place] of block.places.entries()) {
      attacked[place] = 1;
      if (part.broken[i] === 0) continue;
      broken[place] = 1;
      if (probe || left[place] === 0) continue;
      left[place] = 0;
      adversarial.set(place, { attack: name, image: part.images.slice(at, at + size) });
      at += size;
    }
    yield { kind: 'progress', title: name, done, total };
  }
  return {
    planned,
    attacked,
    broken,
    queries: { forward, backward },
    seconds,
    complete: done === total,
  };
}
