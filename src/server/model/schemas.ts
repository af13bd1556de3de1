import { z } from '@hono/zod-openapi';
import { attackNames } from '../../runtime/attacks/index.ts';
import { sizeText, type ClassifierCard } from '../../runtime/classifier-card.ts';
import { decimal, fromText, imageOf, labelOf, type RequestLimits } from '../schemas.ts';
import { attackCards } from './cards.ts';
import type { ModelCatalogue } from './catalogue.ts';

const norms = ['linf', 'l2'] as const;

const describe = {
  labels: 'The true class of each image. Absent: what the classifier says of it',
  target: 'The class that the images are to become: one for all, or one an image. Absent: any wrong one',
  attack: 'Which attack; see GET /models',
  norm: 'How the change is measured: largest change of a value, or Euclidean length',
  eps: 'Largest change, in the unit of values in 0..1; to be named where norm is not the default',
  seed: 'Of the random numbers: the same seed gives the same answer',
  bits: '8: values of the attacked image are multiples of 1/255, and still within eps of the image',
  top: 'How many classes are named before and after',
  setting: 'A setting of the attack, as its card in GET /models has it',
};

/** Settings of attacks. `configured` checks each against the attack that is asked for. */
const settings = {
  steps: z.int(),
  restarts: z.int(),
  queries: z.int(),
  targets: z.int(),
  stepSize: z.number(),
  shrinkOver: z.int(),
  part: z.number(),
  decay: z.number(),
  loss: z.string(),
} as const;

/** The names of all settings. */
export const settingNames = Object.keys(settings);

const settingFields = Object.fromEntries(
  Object.entries(settings).map(([name, schema]) => [
    name,
    (schema as z.ZodType<number | string>).optional().openapi({ description: describe.setting }),
  ]),
);

/** `8/255`, or a decimal number. */
const size = z
  .preprocess((text) => {
    if (typeof text !== 'string') return text;
    const [numerator = '', denominator = '1', ...more] = text.split('/');
    const isNumber = more.length === 0 && decimal.test(numerator) && decimal.test(denominator);
    return isNumber ? Number(numerator) / Number(denominator) : text;
  }, z.number().gt(0))
  .openapi({ type: 'string', example: '8/255', description: `${describe.eps}; a fraction will do` });

const listFrom = (of: z.ZodType<number>) =>
  z.preprocess(
    (text) =>
      typeof text === 'string'
        ? text.split(',').map((part) => (decimal.test(part.trim()) ? Number(part) : NaN))
        : text,
    z.array(of),
  );

/** The options of a JSON body, which stand beside the images. */
const jsonOptions = (card: ClassifierCard) =>
  z.strictObject({
    labels: z.array(labelOf(card)).optional().openapi({ description: describe.labels }),
    target: z
      .union([labelOf(card), z.array(labelOf(card))])
      .optional()
      .openapi({ description: describe.target }),
    attack: z.enum(attackNames).optional().openapi({ description: describe.attack }),
    norm: z.enum(norms).optional().openapi({ description: describe.norm }),
    eps: z.number().gt(0).optional().openapi({ description: describe.eps, example: 0.03 }),
    seed: z.int().nonnegative().optional().openapi({ description: describe.seed }),
    bits: z.literal(8).optional().openapi({ description: describe.bits }),
    top: z.int().min(1).max(card.classes).optional().openapi({ description: describe.top }),
    ...settingFields,
  });

/** What a request asks for besides its images. */
export type ModelOptions = z.infer<ReturnType<typeof jsonOptions>>;

/** The same options as text: in the query of a picture or raw body, and in the fields of a multipart body. */
const textOptions = (card: ClassifierCard) =>
  z.strictObject({
    labels: listFrom(labelOf(card))
      .optional()
      .openapi({ type: 'string', description: `${describe.labels}; separated by commas`, example: '7' }),
    target: listFrom(labelOf(card))
      .optional()
      .openapi({ type: 'string', description: `${describe.target}; separated by commas`, example: '3' }),
    attack: z.enum(attackNames).optional().openapi({ description: describe.attack }),
    norm: z.enum(norms).optional().openapi({ description: describe.norm }),
    eps: size.optional(),
    seed: fromText(z.int().nonnegative()).optional().openapi({ type: 'integer', description: describe.seed }),
    bits: fromText(z.literal(8))
      .optional()
      .openapi({ type: 'integer', enum: [8], description: describe.bits }),
    top: fromText(z.int().min(1).max(card.classes))
      .optional()
      .openapi({ type: 'integer', description: describe.top }),
    ...Object.fromEntries(
      Object.entries(settings).map(([name, schema]) => [
        name,
        fromText(schema as z.ZodType<number | string>)
          .optional()
          .openapi({
            type: schema instanceof z.ZodString ? 'string' : 'number',
            description: describe.setting,
          }),
      ]),
    ),
  });

function answer(card: ClassifierCard, { images }: RequestLimits) {
  const said = z
    .strictObject({
      class: labelOf(card)
        .nullable()
        .openapi({ description: 'The likeliest; null for an answer of no numbers' }),
      top: z
        .array(
          z.strictObject({
            class: labelOf(card),
            name: z.string(),
            logit: z.number().nullable(),
            probability: z.number().nullable(),
          }),
        )
        .openapi({ description: 'The likeliest classes, the likeliest first' }),
    })
    .openapi('Said');
  const attacked = z
    .strictObject({
      attacked: imageOf(card, z.number()).openapi({ description: 'The attacked image' }),
      perturbation: imageOf(card, z.number()).openapi({
        description: 'The attacked image less the image, as the classifier is given it',
      }),
      linf: z.number().openapi({ description: 'Largest change of a value' }),
      l2: z.number().openapi({ description: 'Euclidean distance of the two' }),
      before: said,
      after: said,
      label: labelOf(card).nullable().openapi({ description: 'As it was given' }),
      target: labelOf(card).nullable().openapi({ description: 'As it was given' }),
      success: z.boolean().nullable().openapi({
        description:
          'With a target: it is the class after. Without: the class after is wrong; right is the label, or without one the class before. null: a label was given and the class before was wrong already',
      }),
    })
    .openapi('AttackedImage');
  return z
    .strictObject({
      model: z.string(),
      attack: z.strictObject({
        name: z.enum(attackNames),
        title: z.string(),
        settings: z.looseObject({}),
      }),
      norm: z.enum(norms),
      eps: z.number(),
      seed: z.int(),
      bits: z.union([z.literal(8), z.null()]),
      queries: z
        .strictObject({ forward: z.int(), backward: z.int() })
        .openapi({ description: 'Answers and gradients that the attack asked for, of all images together' }),
      results: z.array(attacked).max(images),
    })
    .openapi('ModelAttackAnswer');
}
export type ModelAnswer = z.infer<ReturnType<typeof answer>>;

/** What `POST /attack` of a classifier reads and answers. */
export interface ModelSchemas {
  readonly json: ReturnType<typeof jsonOptions>;
  readonly text: ReturnType<typeof textOptions>;
  /** The JSON body as the OpenAPI document has it. */
  readonly request: z.ZodType;
  readonly answer: ReturnType<typeof answer>;
  readonly manifest: z.ZodType;
}

/** To be made once for a classifier: a schema with a name stays in zod's registry for ever. */
export function modelSchemas({ card, attacks }: ModelCatalogue, limits: RequestLimits): ModelSchemas {
  const { channels } = card.image;
  const image = imageOf(card, z.number().min(0).max(1)).openapi('ModelImage', {
    description:
      channels === 1
        ? `Rows of values in 0..1, ${sizeText(card.image)}`
        : `${channels} channels, each rows of values in 0..1, ${sizeText(card.image)}`,
  });
  const json = jsonOptions(card);
  return {
    json,
    text: textOptions(card),
    request: json.extend({ images: z.array(image).min(1).max(limits.images) }).openapi('ModelAttackRequest'),
    answer: answer(card, limits),
    manifest: manifest(attackCards(attacks).map(({ name }) => name)),
  };
}

const manifest = (names: readonly string[]) =>
  z
    .strictObject({
      schema: z.literal(1),
      model: z.strictObject({
        name: z.string(),
        sha256: z.string(),
        understood: z.array(z.string()).openapi({ description: 'What was understood of its file' }),
        noGradient: z.string().nullable().openapi({ description: 'Why there is no gradient' }),
      }),
      classifier: z.strictObject({
        image: z.strictObject({ channels: z.int(), height: z.int(), width: z.int() }),
        classes: z.int(),
        labels: z.array(z.string()).nullable().openapi({ description: 'The names of the classes' }),
      }),
      pictures: z.enum(['fitted', 'exact', 'none']).openapi({
        description: 'Whether pictures may have any size, must have that of the images, or are not read',
      }),
      attacks: z.array(
        z.strictObject({
          name: z.enum(names as [string, ...string[]]),
          title: z.string(),
          access: z.string().openapi({ description: 'none, logits, gradient or model' }),
          norms: z.array(z.enum(norms)),
          goals: z.array(z.string()),
          settings: z.record(
            z.string(),
            z.looseObject({ default: z.union([z.number(), z.string(), z.null()]) }),
          ),
        }),
      ),
      defaults: z.strictObject({ attack: z.string(), norm: z.enum(norms), eps: z.number() }),
      limits: z.strictObject({
        images: z.int(),
        eps: z.strictObject({ linf: z.number(), l2: z.number() }),
      }),
      server: z.strictObject({ attack: z.string(), infer: z.string() }),
    })
    .openapi('ModelManifest');
