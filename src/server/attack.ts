import { setImmediate } from 'node:timers/promises';
import type { Context } from 'hono';
import { nestedOf, type ClassifierCard } from '../runtime/classifier-card.ts';
import { formatOf } from './accept.ts';
import type { Batcher } from './batcher.ts';
import type { Cell } from './catalogue.ts';
import { encodePng, isPicture } from './png.ts';
import { invalid } from './problem.ts';
import { readAttack, type AttackInput, type Reading } from './requests.ts';
import type { AttackAnswer } from './schemas.ts';
import type { CellRows } from './work.ts';

/** What `POST /attack` needs. */
export interface AttackDeps extends Reading {
  readonly cells: readonly Cell[];
  readonly batcher: Batcher;
  readonly client: (c: Context) => string;
}

/** `POST /attack`: reads the images, has them attacked, answers JSON or a picture. */
export async function attack(
  c: Context,
  { cells, batcher, client, ...reading }: AttackDeps,
): Promise<Response> {
  const { card } = reading;
  const format = formatOf(
    c,
    isPicture(card.image) ? ['application/json', 'image/png'] : ['application/json'],
  );
  // before the body is read: under overload, most of the work would go into requests that are then turned away
  batcher.admit(client(c));
  const input = await readAttack(c, reading);
  const cell = chosen(cells, input.attacker);
  // A picture has 8 bits a pixel in any case.
  const bits = input.bits ?? (format === 'image/png' ? 8 : null);
  const clip = input.clip ?? (cell.clip || bits !== null);
  if (bits !== null && !clip) {
    throw invalid({ field: 'clip', message: 'Pixels of 8 bits lie in 0..1', value: false, limit: true });
  }
  if (format === 'image/png' && input.count > 1) {
    throw invalid({
      field: 'images',
      message: 'A picture can be answered to one image only; ask for application/json',
      value: input.count,
      limit: 1,
    });
  }
  const constraints = Array.from({ length: input.count }, () => ({ clip, bits }));
  const result = await batcher.attack(
    { cell: cell.folder, images: input.images, constraints },
    c.req.raw.signal,
    client(c),
  );
  if (format === 'image/png') return picture(c, card, cell, input, result);
  const { folder, mode, eps, bound, seed } = cell;
  const { results: _, ...head }: AttackAnswer = {
    attacker: { folder, mode, eps, bound, seed },
    clip,
    bits,
    results: [],
  };
  // as JSON.stringify would write the whole, and with a turn for the event loop now and then
  const results: string[] = [];
  for (let i = 0; i < input.count; i++) {
    if (i % 8 === 7) await setImmediate();
    const one: AttackAnswer['results'][number] = {
      perturbation: rounded(result.perturbation, card, i),
      attacked: rounded(result.attacked, card, i),
      ...judged(input, result, i),
    };
    results.push(JSON.stringify(one));
  }
  const json = `${JSON.stringify(head).slice(0, -1)},"results":[${results.join()}]}`;
  return c.body(json, 200, { 'content-type': 'application/json' });
}

/** The first cell that fits. */
function chosen(cells: readonly Cell[], attacker: AttackInput['attacker'] = {}): Cell {
  const wanted = typeof attacker === 'string' ? { folder: attacker } : attacker;
  const fits = (cell: Cell): boolean =>
    Object.entries(wanted).every(([key, value]) => value === undefined || cell[key as keyof Cell] === value);
  const cell = cells.find(fits);
  if (cell) return cell;
  const asked = Object.entries(wanted)
    .map(([key, value]) => `${key} ${String(value).slice(0, 60)}`)
    .join(', ');
  throw invalid({
    field: 'attacker',
    message: 'There is no such attacker; see GET /models',
    value: asked,
    limit: cells.map(({ folder }) => folder),
  });
}

type Verdict = AttackAnswer['results'][number]['c1'];

/** What the classifiers say of image `i`, and whether the attack worked. */
function judged({ count, labels }: AttackInput, { c1, c2, linf, l2 }: CellRows, i: number) {
  const classes = c1.length / (2 * count);
  const prediction = (of: Float32Array, at: number): Verdict['before'] => {
    const probabilities = Array.from(of.subarray(at * classes, (at + 1) * classes));
    return { prediction: probabilities.indexOf(Math.max(...probabilities)), probabilities };
  };
  const verdict = (of: Float32Array): Verdict => ({
    before: prediction(of, 2 * i),
    after: prediction(of, 2 * i + 1),
  });
  const own = verdict(c1);
  const label = labels?.[i] ?? null;
  const right = label ?? own.before.prediction;
  return {
    linf: linf[i]!,
    l2: l2[i]!,
    c1: own,
    ...(c2 && { c2: verdict(c2) }),
    label,
    success: own.before.prediction === right ? own.after.prediction !== right : null,
  };
}

/** An image to seven decimals: as fine as float32 is near 1, and half as long as all of its digits. */
const rounded = (images: Float32Array, { image }: ClassifierCard, i: number) =>
  nestedOf(images, image, i, (value) => Math.round(1e7 * value) / 1e7) as number[][] | number[][][];

/** What the headers of a picture say. */
export const pictureHeaders = {
  'sparring-attacker': 'the folder of the attacker',
  'sparring-linf': 'largest change of a pixel',
  'sparring-l2': 'Euclidean distance of the two pictures',
  'sparring-c1': 'what C1 says before -> after',
  'sparring-c2': 'what C2 says before -> after; absent where the run has none',
  'sparring-success': 'true, false, or null, as in JSON',
} as const;

/** The attacked picture; what the classifiers say of it is in headers. */
function picture(
  c: Context,
  { image }: ClassifierCard,
  { folder }: Cell,
  input: AttackInput,
  result: CellRows,
): Response {
  const { linf, l2, c1, c2, success } = judged(input, result, 0);
  const said: Readonly<Partial<Record<keyof typeof pictureHeaders, string>>> = {
    'sparring-attacker': folder,
    'sparring-linf': linf.toFixed(6),
    'sparring-l2': l2.toFixed(6),
    'sparring-c1': `${c1.before.prediction} -> ${c1.after.prediction}`,
    ...(c2 && { 'sparring-c2': `${c2.before.prediction} -> ${c2.after.prediction}` }),
    'sparring-success': String(success),
  };
  return c.body(encodePng(result.attacked, image) as Uint8Array<ArrayBuffer>, 200, {
    'content-type': 'image/png',
    ...said,
  });
}
