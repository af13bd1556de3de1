import type { Context } from 'hono';
import type { AskAttack } from '../work.ts';
import { attackOf } from '../../runtime/attacks/index.ts';
import { valuesOf, type ClassifierCard } from '../../runtime/classifier-card.ts';
import {
  bytesIn,
  decodeFloats,
  demandPlain,
  filesOf,
  imagesOfFiles,
  mediaTypeOf,
  optionsIn,
  parsed,
  type Query,
} from '../body.ts';
import { jsonBody } from '../json-body.ts';
import { invalid, unsupported } from '../problem.ts';
import type { RequestLimits } from '../schemas.ts';
import { configured, goalsOf } from './cards.ts';
import type { AttackOffer } from './catalogue.ts';
import type { ReadPicture } from './pictures.ts';
import { settingNames, type ModelOptions, type ModelSchemas } from './schemas.ts';

/** What a request to a classifier is read by. */
export interface ModelReading {
  readonly card: ClassifierCard;
  readonly schemas: ModelSchemas;
  readonly limits: RequestLimits;
  readonly offer: AttackOffer;
  readonly picture: ReadPicture;
}

/** A request to attack a classifier, whatever its body looked like. */
export interface ModelInput {
  /** The values of n images, in 0..1. */
  readonly images: Float32Array;
  /** n. */
  readonly count: number;
  readonly ask: AskAttack;
  readonly bits: 8 | null;
  /** How many classes the answer names. */
  readonly top: number;
}

/** Reads the body of `POST /attack`. Throws Problem, which names the field, the value and the limit. */
export async function readModelAttack(c: Context, reading: ModelReading): Promise<ModelInput> {
  const type = mediaTypeOf(c);
  const reader = Object.hasOwn(readers, type) ? readers[type] : undefined;
  if (!reader) throw unsupported(c, modelMediaTypes);
  demandPlain(c);
  const { images, options } = await reader(c, optionsIn(c, type), reading);
  const count = images.length / valuesOf(reading.card.image);
  const { bits = null, top = Math.min(5, reading.card.classes) } = options;
  return { images, count, ask: askOf(options, count, reading), bits, top };
}

type Reader = (
  c: Context,
  query: Query,
  reading: ModelReading,
) => Promise<{ readonly images: Float32Array; readonly options: ModelOptions }>;

const onePicture: Reader = async (c, query, { schemas, picture }) => {
  const options = parsed(schemas.text, query) as ModelOptions;
  return { options, images: await picture(await bytesIn(c), 'body') };
};

const readers: Readonly<Record<string, Reader>> = {
  'application/json': (c, _, { card: { image }, schemas, limits }) =>
    jsonBody(c, schemas.json, ['labels', 'target'], limits, image),

  'image/png': onePicture,
  'image/jpeg': onePicture,
  'image/webp': onePicture,

  async 'application/octet-stream'(c, query, { card: { image }, schemas, limits }) {
    const options = parsed(schemas.text, query) as ModelOptions;
    return { options, images: decodeFloats(await bytesIn(c), limits, image) };
  },

  async 'multipart/form-data'(c, _, { card: { image }, schemas, limits, picture }) {
    const { files, fields } = await filesOf(c, limits);
    const options = parsed(schemas.text, fields) as ModelOptions;
    return { options, images: await imagesOfFiles(files, valuesOf(image), 'file', picture) };
  },
};

/** The bodies that `POST /attack` of a classifier takes. */
export const modelMediaTypes = Object.keys(readers);

/** What the options ask of a worker. Throws Problem when they do not fit each other, or the attack. */
function askOf(options: ModelOptions, count: number, { offer }: ModelReading): AskAttack {
  const { labels, target, attack = offer.names[0]!, norm = offer.norm, seed = 1 } = options;
  const eps = options.eps ?? (norm === offer.norm ? offer.eps : undefined);
  if (eps === undefined) {
    throw invalid({
      field: 'eps',
      message: `${norm} has no default eps here; name one`,
      limit: offer.most.eps[norm],
    });
  }
  if (eps > offer.most.eps[norm]) {
    throw invalid({
      field: 'eps',
      message: 'It is more than this server allows',
      value: eps,
      limit: offer.most.eps[norm],
    });
  }
  if (!offer.names.includes(attack)) {
    throw invalid({
      field: 'attack',
      message: 'It is not offered; see GET /models',
      value: attack,
      limit: offer.names,
    });
  }
  const { norms } = attackOf(attack);
  const goals = goalsOf(offer, attack);
  const goal = target === undefined ? 'untargeted' : 'targeted';
  if (!norms.includes(norm)) {
    throw invalid({ field: 'norm', message: `${attack} has other norms`, value: norm, limit: norms });
  }
  if (!goals.includes(goal)) {
    throw invalid({ field: 'target', message: `${attack} cannot be ${goal}`, value: goal, limit: goals });
  }
  const given = Object.fromEntries(
    Object.entries(options).filter(([name, value]) => settingNames.includes(name) && value !== undefined),
  );
  return {
    kind: 'attack',
    attack: configured(attack, given, offer),
    threat: { norm, eps, range: [0, 1], goal },
    seed,
    labels: labels ? classesOf('labels', labels, count) : null,
    targets: target === undefined ? null : classesOf('target', target, count),
  };
}

/** One class an image, or the same for all. */
function classesOf(field: string, given: number | readonly number[], count: number): Int32Array {
  const all = typeof given === 'number' ? [given] : given;
  if (field === 'target' && all.length === 1) return new Int32Array(count).fill(all[0]!);
  if (all.length === count) return Int32Array.from(all);
  throw invalid({ field, message: 'There must be one an image', value: all.length, limit: count });
}
