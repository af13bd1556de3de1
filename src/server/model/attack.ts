import { setImmediate } from 'node:timers/promises';
import type { Context } from 'hono';
import type { ImageShape } from '../../runtime/attacks/images.ts';
import { attackOf } from '../../runtime/attacks/index.ts';
import { nameOf, nestedOf, type ClassifierCard } from '../../runtime/classifier-card.ts';
import { formatOf } from '../accept.ts';
import type { Batcher } from '../batcher.ts';
import { invalid } from '../problem.ts';
import type { AttackResult } from '../work.ts';
import type { ModelCatalogue } from './catalogue.ts';
import { pictureOf, pictureTypes, type PictureType } from './pictures.ts';
import { readModelAttack, type ModelInput, type ModelReading } from './requests.ts';
import type { ModelAnswer } from './schemas.ts';

/** What `POST /attack` of a classifier needs. */
export interface ModelAttackDeps extends ModelReading {
  readonly catalogue: ModelCatalogue;
  readonly batcher: Batcher;
  readonly client: (c: Context) => string;
}

/** The types of answer to images of such a shape. */
export const answerTypes = (
  image: ImageShape,
): readonly ('application/json' | PictureType | 'application/octet-stream')[] => [
  'application/json',
  ...pictureTypes(image),
  'application/octet-stream',
];

/** `POST /attack`: reads the images, has them attacked, answers JSON, a picture or raw values. */
export async function attackModel(
  c: Context,
  { catalogue, batcher, client, ...reading }: ModelAttackDeps,
): Promise<Response> {
  const { card } = reading;
  const format = formatOf(c, answerTypes(card.image));
  // before the body is read: under overload, most of the work would go into requests that are then turned away
  batcher.admit(client(c));
  const input = await readModelAttack(c, reading);
  const picture = format === 'application/json' || format === 'application/octet-stream' ? null : format;
  if (picture && input.count > 1) {
    throw invalid({
      field: 'images',
      message: 'A picture can be answered to one image only; ask for application/json',
      value: input.count,
      limit: 1,
    });
  }
  // a picture has 8 bits a value in any case
  const bits = picture ? 8 : input.bits;
  const { images, ask, count } = input;
  const constraints = Array.from({ length: count }, () => ({ clip: true, bits }));
  const batch = { cell: catalogue.source.id, images, constraints, ask };
  const result = await batcher.attack<AttackResult>(batch, c.req.raw.signal, client(c));
  if (format === 'application/json') return await asJson(c, catalogue.name, card, { ...input, bits }, result);
  const { attacked } = result;
  const body = picture
    ? await pictureOf(picture, attacked, card.image)
    : new Uint8Array(attacked.slice().buffer);
  return c.body(body as Uint8Array<ArrayBuffer>, 200, {
    'content-type': format,
    ...said(card, input, result),
  });
}

type One = ModelAnswer['results'][number];

async function asJson(
  c: Context,
  model: string,
  card: ClassifierCard,
  input: ModelInput,
  result: AttackResult,
): Promise<Response> {
  const { images, count, bits, ask, top } = input;
  const { attack, settings } = ask.attack;
  const { results: _, ...head }: ModelAnswer = {
    model,
    attack: { name: attack, title: attackOf(attack).title(settings as never), settings: { ...settings } },
    norm: ask.threat.norm,
    eps: ask.threat.eps,
    seed: ask.seed,
    bits,
    queries: { ...result.queries },
    results: [],
  };
  const perturbation = result.attacked.map((value, at) => value - images[at]!);
  // as JSON.stringify would write the whole, and with a turn for the event loop now and then
  const results: string[] = [];
  for (let i = 0; i < count; i++) {
    await setImmediate();
    const one: One = {
      attacked: rounded(result.attacked, card, i),
      perturbation: rounded(perturbation, card, i),
      linf: result.linf[i]!,
      l2: result.l2[i]!,
      before: saidOf(card, rowOf(result.before, card, i), top),
      after: saidOf(card, rowOf(result.after, card, i), top),
      label: ask.labels?.[i] ?? null,
      target: ask.targets?.[i] ?? null,
      success: succeeded(card, input, result, i),
    };
    results.push(JSON.stringify(one));
  }
  const json = `${JSON.stringify(head).slice(0, -1)},"results":[${results.join()}]}`;
  return c.body(json, 200, { 'content-type': 'application/json' });
}

const rowOf = (rows: Float32Array, { classes }: ClassifierCard, i: number): Float32Array =>
  rows.subarray(i * classes, (i + 1) * classes);

/** An image to seven decimals: as fine as float32 is near 1, and half as long as all of its digits. */
const rounded = (images: Float32Array, { image }: ClassifierCard, i: number) =>
  nestedOf(images, image, i, (value) => Math.round(1e7 * value) / 1e7) as number[][] | number[][][];

/** The likeliest class; null where the logits are not all numbers. */
function classOf(logits: Float32Array): number | null {
  return logits.every(Number.isFinite) ? logits.indexOf(Math.max(...logits)) : null;
}

function saidOf(card: ClassifierCard, logits: Float32Array, top: number): One['before'] {
  const probabilities = softmax(logits);
  const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b);
  return {
    class: classOf(logits),
    top: order.slice(0, top).map((one) => ({
      class: one,
      name: nameOf(card, one),
      logit: finite(logits[one]!),
      probability: finite(probabilities[one]!),
    })),
  };
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** Probabilities of logits, in double precision. */
export function softmax(logits: Float32Array): Float64Array {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = Float64Array.from(logits, (z) => Math.exp(z - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

function succeeded(
  card: ClassifierCard,
  { ask: { labels, targets } }: ModelInput,
  { before, after }: AttackResult,
  i: number,
): boolean | null {
  const [was, is] = [classOf(rowOf(before, card, i)), classOf(rowOf(after, card, i))];
  if (targets) return is === targets[i];
  const right = labels?.[i] ?? was;
  return was === right ? is !== right : null;
}

/** What the headers of an answer that is no JSON say: for each image one, with commas between them. */
export const modelHeaders = {
  'sparring-shape': 'images, channels, height and width',
  'sparring-linf': 'largest change of a value',
  'sparring-l2': 'Euclidean distance of the two images',
  'sparring-before': 'the class before',
  'sparring-after': 'the class after',
  'sparring-success': 'true, false or null, as in JSON',
  'sparring-queries': 'answers and gradients that the attack asked for',
} as const;

function said(
  card: ClassifierCard,
  input: ModelInput,
  result: AttackResult,
): Readonly<Record<keyof typeof modelHeaders, string>> {
  const { channels, height, width } = card.image;
  const { count } = input;
  const each = (value: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => value(i)).join();
  return {
    'sparring-shape': [count, channels, height, width].join(),
    'sparring-linf': each((i) => result.linf[i]!.toFixed(6)),
    'sparring-l2': each((i) => result.l2[i]!.toFixed(6)),
    'sparring-before': each((i) => String(classOf(rowOf(result.before, card, i)))),
    'sparring-after': each((i) => String(classOf(rowOf(result.after, card, i)))),
    'sparring-success': each((i) => String(succeeded(card, input, result, i))),
    'sparring-queries': `${result.queries.forward},${result.queries.backward}`,
  };
}
