import { createRoute, z } from '@hono/zod-openapi';
import { pictureHeaders } from './attack.ts';
import { ProblemBody, type ProblemKind, problemType, statusOf } from './problem.ts';
import { ManifestAnswer, type AttackSchemas, type RequestLimits } from './schemas.ts';

/** A header of an answer. */
const header = (description: string) => ({ description, schema: { type: 'string' as const } });

/** On every answer. */
const always = {
  'X-Request-Id': header(
    'The id that the request gave, or a new one; it is in the log, and in errors as requestId',
  ),
};
const retry = { 'Retry-After': header('Seconds to wait before the request is sent again') };
const cached = {
  ETag: header('The SHA-256 of the file, in quotes'),
  'Cache-Control': header('Immutable where the address holds the hash'),
  'Accept-Ranges': header('bytes'),
};
const range = { 'Content-Range': header('Which bytes these are, and of how many') };

/** What every route says of itself, once: the app serves it and the OpenAPI document shows it. */
export type Route = ReturnType<typeof createRoute>;

/** The routes of a server. Those with `security` ask for the token. */
export type Routes = ReturnType<typeof routesOf>;

/**
 * Declares each route: its method, path, schemas and answers.
 *
 * @param secured whether the server asks for a token.
 */
export function routesOf(schemas: AttackSchemas, limits: RequestLimits, secured: boolean) {
  const security = secured ? { security: [{ token: [] }] } : {};
  const secret: readonly ProblemKind[] = secured ? ['unauthorized'] : [];
  const { size, channels, values } = schemas.words;
  const manifest = (path: string, summary: string, operationId: string) =>
    createRoute({
      method: 'get',
      path,
      summary,
      operationId,
      tags: ['models'],
      ...security,
      responses: {
        200: {
          description: 'The run',
          content: { 'application/json': { schema: ManifestAnswer } },
          headers: always,
        },
        ...problems(...secret, 'method-not-allowed', 'unexpected'),
      },
    });
  return {
    attack: createRoute({
      method: 'post',
      path: '/attack',
      summary: 'Attack images',
      description: `Up to ${limits.images} images of ${size} pixels. Options stand in a JSON or multipart body, else in the query.`,
      ...security,
      operationId: 'attack',
      tags: ['attacks'],
      request: {
        query: schemas.options,
        headers: z.object({
          accept: z
            .string()
            .optional()
            .openapi({ description: 'application/json or image/png', example: 'application/json' }),
        }),
        body: {
          required: true,
          content: {
            'application/json': { schema: schemas.request },
            'image/png': {
              schema: binary(`A PNG of ${size} pixels${channels === 1 ? ', white on black' : ''}`),
            },
            'application/octet-stream': {
              schema: binary(`Little-endian float32, ${values} an image, each in 0..1`),
            },
            'multipart/form-data': {
              schema: schemas.options.extend({
                images: z
                  .array(binary(`A PNG of ${size} pixels`))
                  .min(1)
                  .max(limits.images),
              }),
            },
          },
        },
      },
      responses: {
        200: {
          description:
            'What the attacker made of the images, or with Accept: image/png the attacked picture itself',
          content: {
            'application/json': { schema: schemas.answer },
            'image/png': { schema: binary(channels === 1 ? '8 bits, grey' : '8 bits a channel') },
          },
          headers: {
            ...always,
            ...Object.fromEntries(
              Object.entries(pictureHeaders).map(([name, description]) => [
                name,
                header(`With Accept: image/png: ${description}`),
              ]),
            ),
          },
        },
        ...problems(
          ...secret,
          'malformed-body',
          'method-not-allowed',
          'not-acceptable',
          'timeout',
          'body-too-large',
          'unsupported-media-type',
          'invalid-request',
          'queue-full',
          'unexpected',
          'unavailable',
        ),
      },
    }),
    models: manifest('/models', 'Attackers, classifiers and how they did', 'models'),
    modelsJson: manifest(
      '/models.json',
      'The same, by the name that it has beside a static demo',
      'modelsJson',
    ),
    model: createRoute({
      method: 'get',
      path: '/models/{folder}/{file}',
      summary: 'A model as an ONNX file',
      operationId: 'model',
      tags: ['models'],
      ...security,
      request: {
        params: z.object({ folder: z.string(), file: z.string() }),
        query: z.object({
          sha256: z
            .string()
            .optional()
            .openapi({ description: 'Its hash, or how that begins: the answer may then be cached for ever' }),
        }),
        headers: z.object({
          range: z.string().optional().openapi({ example: 'bytes=0-99' }),
          'if-range': z.string().optional().openapi({ description: 'An ETag: a range only of this file' }),
          'if-none-match': z.string().optional().openapi({ description: 'ETags, or *' }),
        }),
      },
      responses: {
        200: {
          description: 'The file',
          content: { 'application/octet-stream': { schema: binary('ONNX') } },
          headers: { ...always, ...cached },
        },
        206: {
          description: 'A range of it',
          content: { 'application/octet-stream': { schema: binary('Bytes of it') } },
          headers: { ...always, ...cached, ...range },
        },
        304: { description: 'It is what the client has', headers: { ...always, ...cached } },
        ...problems(
          ...secret,
          'not-found',
          'method-not-allowed',
          'range-not-satisfiable',
          'unexpected',
          'model-unreadable',
        ),
      },
    }),
    healthz: plain('/healthz', 'Is the process alive', 'application/json', { 200: 'Yes' }),
    readyz: plain('/readyz', 'Can it take requests', 'application/json', {
      200: 'Yes: a worker works, as its last inference shows',
      503: 'No: it ends, or no worker works',
    }),
    metrics: createRoute({
      ...plain(
        '/metrics',
        'Numbers for Prometheus',
        'text/plain',
        { 200: "Prometheus' text format" },
        secret,
      ),
      ...security,
    }),
    openapi: plain('/openapi.json', 'This document', 'application/json', { 200: 'OpenAPI 3.1' }),
    docs: plain('/docs', 'This document as a page', 'text/html', { 200: 'A page' }),
    demo: plain('/', 'The demo', 'text/html', { 200: 'A page' }),
  };
}

/** A route without parameters. */
const plain = (
  path: string,
  summary: string,
  type: string,
  status: Record<number, string>,
  own: readonly ProblemKind[] = [],
) =>
  createRoute({
    method: 'get',
    path,
    summary,
    operationId: path.slice(1).replace('.json', ''),
    tags: ['server'],
    responses: {
      ...Object.fromEntries(
        Object.entries(status).map(([code, description]) => [
          code,
          {
            description,
            content: { [type]: { schema: type === 'application/json' ? Status : z.string() } },
            headers: always,
          },
        ]),
      ),
      ...problems(...own, 'method-not-allowed', 'unexpected'),
    },
  });

const Status = z.looseObject({ status: z.string().optional() });

const binary = (description: string) => z.any().openapi({ type: 'string', format: 'binary', description });

const problems = (...kinds: readonly ProblemKind[]) =>
  Object.fromEntries(
    kinds.map((kind) => {
      const [status, description] = statusOf(kind);
      const headers = {
        ...always,
        ...(status === 401 && { 'WWW-Authenticate': header('Bearer') }),
        ...(status === 405 && { Allow: header('The methods that there are') }),
        ...(status === 416 && range),
        ...((status === 429 || status === 503) && retry),
      };
      return [status, { description, content: { [problemType]: { schema: ProblemBody } }, headers }];
    }),
  );
