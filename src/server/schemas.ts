import { z } from '@hono/zod-openapi';
import { modes } from '../runtime/experiment/config.ts';
import { sizeText, valuesOf, type ClassifierCard } from '../runtime/classifier-card.ts';

/** How much one request may ask for. */
export interface RequestLimits {
  /** Images in one request. */
  readonly images: number;
}

const eps = z.number().gt(0).max(1).openapi({ description: 'Largest change of a pixel', example: 0.16 });

const describe = {
  attacker:
    'Which attacker: the name of its folder, or some of eps, mode and seed. The first of GET /models that fits; its first of all when absent',
  clip: 'Clip the attacked image to [0, 1]. Absent: as the attacker was trained',
  bits: '8: attacked pixels are multiples of 1/255 in [0, 1], and still within eps of the image',
  labels: 'The true class of each image. Absent: what C1 says before the attack',
};

/** A class, as its number. */
export const labelOf = ({ classes }: ClassifierCard) =>
  z
    .int()
    .min(0)
    .max(classes - 1);

/** Values in the shape of an image: rows, or a list of channels where there are several. */
export function imageOf({ image: { channels, height, width } }: ClassifierCard, value: z.ZodNumber) {
  const rows = z.array(z.array(value).length(width)).length(height);
  return channels === 1 ? rows : z.array(rows).length(channels);
}

/** The options of a JSON body, which stand beside the images. */
const jsonOptions = (card: ClassifierCard) =>
  z.strictObject({
    labels: z.array(labelOf(card)).optional().openapi({ description: describe.labels }),
    attacker: z
      .union([
        z.string(),
        z.strictObject({
          eps: eps.optional(),
          mode: z.enum(modes).optional(),
          seed: z.int().nonnegative().optional(),
        }),
      ])
      .optional()
      .openapi({ description: describe.attacker }),
    clip: z.boolean().optional().openapi({ description: describe.clip }),
    bits: z.literal(8).optional().openapi({ description: describe.bits }),
  });
export type JsonOptions = z.infer<ReturnType<typeof jsonOptions>>;

function attackRequest(card: ClassifierCard, { images }: RequestLimits) {
  const { channels, height, width } = card.image;
  const rows = `${height} rows of ${width} pixels, from 0 (background) to 1`;
  const image = imageOf(card, z.number().min(0).max(1)).openapi('Image', {
    description: channels === 1 ? rows : `${channels} channels, each ${rows}`,
  });
  return jsonOptions(card)
    .extend({
      images: z.array(image).min(1).max(images),
      labels: z.array(labelOf(card)).max(images).optional().openapi({ description: describe.labels }),
    })
    .openapi('AttackRequest');
}

/** A decimal number as JSON writes one. Number() would take `0b1000` and ` 8 ` too. */
export const decimal = /^-?\d+(\.\d+)?(e[-+]?\d+)?$/i;

/** Of text, the number that it writes. */
export const fromText = <T extends z.ZodType>(schema: T) =>
  z.preprocess((text) => (typeof text === 'string' && decimal.test(text) ? Number(text) : text), schema);

/** The same options as text: in the query of a PNG or raw body, and in the fields of a multipart body. */
const attackOptions = (card: ClassifierCard) =>
  z.strictObject({
    labels: z
      .preprocess(
        (text) =>
          typeof text === 'string'
            ? text.split(',').map((part) => (decimal.test(part.trim()) ? Number(part) : NaN))
            : text,
        z.array(labelOf(card)),
      )
      .optional()
      .openapi({ type: 'string', description: `${describe.labels}; separated by commas`, example: '7' }),
    attacker: z.string().optional().openapi({ description: 'The name of its folder' }),
    eps: fromText(eps).optional().openapi({ type: 'number', description: describe.attacker, example: 0.16 }),
    mode: z.enum(modes).optional().openapi({ description: describe.attacker }),
    seed: fromText(z.int().nonnegative())
      .optional()
      .openapi({ type: 'integer', description: describe.attacker }),
    clip: z
      .enum(['true', 'false'])
      .transform((text) => text === 'true')
      .optional()
      .openapi({ description: describe.clip }),
    bits: fromText(z.literal(8))
      .optional()
      .openapi({ type: 'integer', enum: [8], description: describe.bits }),
  });

function attackAnswer(card: ClassifierCard) {
  const prediction = z
    .strictObject({
      prediction: labelOf(card).openapi({ description: 'The most probable class' }),
      probabilities: z.array(z.number()).length(card.classes),
    })
    .openapi('Prediction');
  const verdict = z
    .strictObject({ before: prediction, after: prediction })
    .openapi('Verdict', { description: 'What a classifier says of the image and of the attacked image' });
  const attacked = z
    .strictObject({
      perturbation: imageOf(card, z.number()).openapi({
        description: "The attacker's output, in [-eps, eps], before it is clipped or rounded",
      }),
      attacked: imageOf(card, z.number()).openapi({
        description: 'The image plus the perturbation, clipped and rounded as asked',
      }),
      linf: z
        .number()
        .openapi({ description: 'Largest change of a pixel from the image to the attacked image' }),
      l2: z.number().openapi({ description: 'Euclidean distance of the two' }),
      c1: verdict,
      c2: verdict.optional(),
      label: labelOf(card).nullable().openapi({ description: 'As it was given' }),
      success: z.boolean().nullable().openapi({
        description:
          'C1 was right before and is wrong after; right is the label, or without one its answer before. null: a label was given and C1 was wrong already',
      }),
    })
    .openapi('Attacked');
  return z
    .strictObject({
      attacker: z.strictObject({
        folder: z.string(),
        mode: z.string(),
        eps: z.number(),
        bound: z.string(),
        seed: z.int(),
      }),
      clip: z.boolean(),
      bits: z.union([z.literal(8), z.null()]),
      results: z.array(attacked),
    })
    .openapi('AttackAnswer');
}
export type AttackAnswer = z.infer<ReturnType<typeof attackAnswer>>;

/** What `POST /attack` reads and answers, for images and classes as a card has them. */
export interface AttackSchemas {
  readonly jsonOptions: ReturnType<typeof jsonOptions>;
  readonly options: ReturnType<typeof attackOptions>;
  /** The JSON body as the OpenAPI document has it. Images are checked by `imagesOf`, which is many times as fast. */
  readonly request: ReturnType<typeof attackRequest>;
  readonly answer: ReturnType<typeof attackAnswer>;
  /** The shape of an image in words: `width x height`, its channels, and how many values it has. */
  readonly words: { readonly size: string; readonly channels: number; readonly values: number };
}

/** To be made once for a server: a schema with a name stays in zod's registry for ever. */
export const attackSchemas = (card: ClassifierCard, limits: RequestLimits): AttackSchemas => ({
  jsonOptions: jsonOptions(card),
  options: attackOptions(card),
  request: attackRequest(card, limits),
  answer: attackAnswer(card),
  words: { size: sizeText(card.image), channels: card.image.channels, values: valuesOf(card.image) },
});

const Scores = z.looseObject({ accuracy: z.number(), loss: z.number() });
const Metrics = z
  .looseObject({ clean: Scores, noise: Scores, attacked: Scores.optional() })
  .openapi('Metrics', { description: 'Accuracy (a fraction) and loss (nats) on the test images' });
const File = z
  .strictObject({
    url: z.string().openapi({ description: 'Relative to this document' }),
    bytes: z.int(),
    sha256: z.string(),
  })
  .openapi('ModelFile');

/** The answer of `GET /models`: `Manifest` of the runtime. */
export const ManifestAnswer = z
  .strictObject({
    schema: z.literal(1),
    run: z.string(),
    data: z.strictObject({ name: z.string(), testImages: z.int().nullable() }),
    classifier: z
      .strictObject({
        image: z.strictObject({ channels: z.int(), height: z.int(), width: z.int() }),
        classes: z.int(),
        labels: z.array(z.string()).nullable().openapi({ description: 'The names of the classes' }),
      })
      .openapi('Classifier', { description: 'What the classifiers of the run have in common' }),
    cells: z.array(
      z.strictObject({
        mode: z.enum(modes),
        eps: z.number(),
        bound: z.string(),
        clip: z.boolean(),
        seed: z.int(),
        folder: z.string(),
        final: z.looseObject({ c1: Metrics, c2: Metrics.optional() }),
        models: z.strictObject({
          c1: File,
          c2: File.optional(),
          attacker: File,
          attackerCompact: File.optional(),
          gradient: File.optional(),
        }),
      }),
    ),
    server: z.strictObject({ attack: z.string() }).optional(),
  })
  .openapi('Manifest');
