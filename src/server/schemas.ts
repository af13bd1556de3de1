import { z } from '@hono/zod-openapi';

/** Side of an image, and its number of pixels. */
export const side = 28;
export const pixels = side * side;
const classes = 10;

/** How much one request may ask for. */
export interface RequestLimits {
  /** Images in one request. */
  readonly images: number;
}

const modes = ['consecutive', 'alternating'] as const;
const eps = z.number().gt(0).max(1).openapi({ description: 'Largest change of a pixel', example: 0.16 });
const labelOf = z
  .int()
  .min(0)
  .max(classes - 1);

const describe = {
  attacker:
    'Which attacker: the name of its folder, or some of eps, mode and seed. The first of GET /models that fits; its first of all when absent',
  clip: 'Clip the attacked image to [0, 1]. Absent: as the attacker was trained',
  bits: '8: attacked pixels are multiples of 1/255 in [0, 1], and still within eps of the image',
  labels: 'The true class of each image. Absent: what C1 says before the attack',
};

const Image = z
  .array(z.array(z.number().min(0).max(1)).length(side))
  .length(side)
  .openapi('Image', { description: '28 rows of 28 pixels, from 0 (background) to 1' });

/** The options of a JSON body, which stand beside the images. */
export const JsonOptions = z.strictObject({
  labels: z.array(labelOf).optional().openapi({ description: describe.labels }),
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
export type JsonOptions = z.infer<typeof JsonOptions>;

/**
 * The JSON body of `POST /attack`, as the OpenAPI document has it. To be made once: a schema with a name stays in zod's
 * registry for ever. Images are checked by {@link imagesOf}, which is many times as fast.
 */
export const attackRequest = ({ images }: RequestLimits) =>
  JsonOptions.extend({
    images: z.array(Image).min(1).max(images),
    labels: z.array(labelOf).max(images).optional().openapi({ description: describe.labels }),
  }).openapi('AttackRequest');

/** A decimal number as JSON writes one. Number() would take `0b1000` and ` 8 ` too. */
const decimal = /^-?\d+(\.\d+)?(e[-+]?\d+)?$/i;

const fromText = <T extends z.ZodType>(schema: T) =>
  z.preprocess((text) => (typeof text === 'string' && decimal.test(text) ? Number(text) : text), schema);

/** The same options as text: in the query of a PNG or raw body, and in the fields of a multipart body. */
export const AttackOptions = z.strictObject({
  labels: z
    .preprocess(
      (text) =>
        typeof text === 'string'
          ? text.split(',').map((part) => (decimal.test(part.trim()) ? Number(part) : NaN))
          : text,
      z.array(labelOf),
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

const Prediction = z
  .strictObject({
    prediction: labelOf.openapi({ description: 'The most probable class' }),
    probabilities: z.array(z.number()).length(classes),
  })
  .openapi('Prediction');

const Verdict = z
  .strictObject({ before: Prediction, after: Prediction })
  .openapi('Verdict', { description: 'What a classifier says of the image and of the attacked image' });

const Attacked = z
  .strictObject({
    perturbation: z
      .array(z.array(z.number()).length(side))
      .length(side)
      .openapi({ description: "The attacker's output, in [-eps, eps], before it is clipped or rounded" }),
    attacked: z
      .array(z.array(z.number()).length(side))
      .length(side)
      .openapi({ description: 'The image plus the perturbation, clipped and rounded as asked' }),
    linf: z
      .number()
      .openapi({ description: 'Largest change of a pixel from the image to the attacked image' }),
    l2: z.number().openapi({ description: 'Euclidean distance of the two' }),
    c1: Verdict,
    c2: Verdict,
    label: labelOf.nullable().openapi({ description: 'As it was given' }),
    success: z.boolean().nullable().openapi({
      description:
        'C1 was right before and is wrong after; right is the label, or without one its answer before. null: a label was given and C1 was wrong already',
    }),
  })
  .openapi('Attacked');

/** The JSON answer of `POST /attack`. */
export const AttackAnswer = z
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
    results: z.array(Attacked),
  })
  .openapi('AttackAnswer');
export type AttackAnswer = z.infer<typeof AttackAnswer>;

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
    cells: z.array(
      z.strictObject({
        mode: z.enum(modes),
        eps: z.number(),
        bound: z.string(),
        clip: z.boolean(),
        seed: z.int(),
        folder: z.string(),
        final: z.looseObject({ c1: Metrics, c2: Metrics }),
        models: z.strictObject({
          c1: File,
          c2: File,
          attacker: File,
          attackerCompact: File.optional(),
          attackStep: File.optional(),
        }),
      }),
    ),
    server: z.strictObject({ attack: z.string() }).optional(),
  })
  .openapi('Manifest');
