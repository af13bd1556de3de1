import { createRoute, z } from '@hono/zod-openapi';
import type { ProblemKind } from '../problem.ts';
import { always, binary, header, ofWork, problems, type Access } from '../routes.ts';
import * as schemas from './schemas.ts';

const answers = (description: string, schema: z.ZodType) => ({
  description,
  content: { 'application/json': { schema } },
  headers: always,
});

const length = 'Bytes of the JSON, where values of tensors come as bytes behind it';

/** The routes of the Open Inference Protocol, version 2. */
export function inferenceRoutes({ security, secret }: Access) {
  const name = { params: z.object({ name: z.string().openapi({ description: 'The name of the model' }) }) };
  const get = <Path extends string>(
    path: Path,
    operationId: string,
    summary: string,
    responses: Readonly<Record<number, ReturnType<typeof answers>>>,
    ...own: readonly ProblemKind[]
  ) =>
    createRoute({
      method: 'get',
      path,
      summary,
      operationId,
      tags: ['inference'],
      ...(path.includes('{') && { request: name, ...security }),
      responses: { ...problems(...own, 'method-not-allowed', 'unexpected'), ...responses },
    });
  const ofModel: readonly ProblemKind[] = [...secret, 'not-found'];
  return {
    server: get('/v2', 'serverMetadata', 'The server', {
      200: answers('Its name, version and extensions', schemas.ServerMetadata),
    }),
    live: get('/v2/health/live', 'serverLive', 'Is the process alive', {
      200: answers('Yes', schemas.Live),
    }),
    ready: get('/v2/health/ready', 'serverReady', 'Can it take requests', {
      200: answers('Yes: a worker works, as its last inference shows', schemas.Ready),
      503: answers('No: it ends, or no worker works', schemas.Ready),
    }),
    model: get(
      '/v2/models/{name}',
      'modelMetadata',
      'The inputs and outputs of a model',
      { 200: answers('The model', schemas.ModelMetadata) },
      ...ofModel,
    ),
    modelReady: get(
      '/v2/models/{name}/ready',
      'modelReady',
      'Does a model work: it is asked about a black image',
      {
        200: answers('Yes', schemas.ModelReady),
        503: answers('No', schemas.ModelReady),
      },
      ...ofModel,
    ),
    infer: createRoute({
      method: 'post',
      path: '/v2/models/{name}/infer',
      summary: 'Ask a classifier about images',
      operationId: 'infer',
      tags: ['inference'],
      ...security,
      request: {
        ...name,
        headers: z.object({
          'inference-header-content-length': z
            .string()
            .regex(/^\d+$/)
            .optional()
            .openapi({ description: length }),
        }),
        body: {
          required: true,
          content: {
            'application/json': { schema: schemas.InferRequest },
            'application/octet-stream': { schema: binary('JSON, and values of tensors behind it') },
          },
        },
      },
      responses: {
        200: {
          description: 'The answers',
          content: {
            'application/json': { schema: schemas.InferAnswer },
            'application/octet-stream': { schema: binary('JSON, and values of tensors behind it') },
          },
          headers: { ...always, 'Inference-Header-Content-Length': header(length) },
        },
        ...problems(...secret, ...ofWork, 'not-found'),
      },
    }),
  };
}
