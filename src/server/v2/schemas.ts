import { z } from '@hono/zod-openapi';

/** What a classifier can be asked for. */
export const outputNames = ['logits', 'probabilities'] as const;
export type OutputName = (typeof outputNames)[number];

const size = z.int().nonnegative();

const input = z
  .strictObject({
    name: z.literal('image'),
    shape: z.tuple([size, size, size, size]),
    datatype: z.literal('FP32'),
    // those that it does not know are not its business, as the protocol has it
    parameters: z
      .looseObject({
        binary_data_size: size
          .optional()
          .openapi({ description: 'Bytes behind the JSON; data is then absent' }),
      })
      .optional(),
    data: z
      .unknown()
      .optional()
      .openapi({ type: 'array', description: 'Values in 0..1, RGB, in row-major order, nested or flat' }),
  })
  .openapi('InferInput');

const output = z
  .strictObject({
    name: z.enum(outputNames),
    parameters: z
      .looseObject({
        binary_data: z
          .boolean()
          .optional()
          .openapi({ description: 'Whether it comes as bytes behind the JSON' }),
      })
      .optional(),
  })
  .openapi('InferOutput');

/** The JSON of a request for inference. */
export const InferRequest = z
  .strictObject({
    id: z.string().optional(),
    parameters: z.looseObject({ binary_data_output: z.boolean().optional() }).optional(),
    inputs: z.tuple([input]),
    outputs: z.array(output).max(8).optional().openapi({ description: 'All when absent or empty' }),
  })
  .openapi('InferRequest');

/** The JSON of its answer. */
export const InferAnswer = z
  .strictObject({
    model_name: z.string(),
    model_version: z.string(),
    id: z.string().optional(),
    outputs: z.array(
      z.strictObject({
        name: z.enum(outputNames),
        shape: z.array(z.int()),
        datatype: z.literal('FP32'),
        parameters: z.strictObject({ binary_data_size: z.int() }).optional(),
        data: z.array(z.number()).optional(),
      }),
    ),
  })
  .openapi('InferAnswer');

export const ServerMetadata = z
  .strictObject({ name: z.string(), version: z.string(), extensions: z.array(z.string()) })
  .openapi('ServerMetadata');

const tensor = z.strictObject({
  name: z.string(),
  datatype: z.string(),
  shape: z.array(z.int()).openapi({ description: '-1 where any number will do' }),
  parameters: z.looseObject({ content: z.string() }),
});

export const ModelMetadata = z
  .strictObject({
    name: z.string(),
    versions: z.array(z.string()),
    platform: z.string(),
    inputs: z.array(tensor),
    outputs: z.array(tensor),
  })
  .openapi('ModelMetadata');

export const Live = z.strictObject({ live: z.boolean() });
export const Ready = z.strictObject({ ready: z.boolean() });
export const ModelReady = z.strictObject({ name: z.string(), ready: z.boolean() });
