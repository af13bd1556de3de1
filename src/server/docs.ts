import type { OpenAPIHono } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import { pictureHeaders } from './attack.ts';
import { ProblemBody, type ProblemKind, problemType, statusOf } from './problem.ts';
import { AttackAnswer, AttackOptions, attackRequest, ManifestAnswer, type RequestLimits } from './schemas.ts';

type Registry = OpenAPIHono['openAPIRegistry'];

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

/** Writes every route into the registry that `/openapi.json` is made of, with the schemas that validate. */
export function describeRoutes(registry: Registry, limits: RequestLimits, secured: boolean): void {
  const security = secured ? { security: [{ token: [] }] } : {};
  if (secured) registry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' });
  const secret: readonly ProblemKind[] = secured ? ['unauthorized'] : [];

  registry.registerPath({
    method: 'post',
    path: '/attack',
    summary: 'Attack images',
    description: `Up to ${limits.images} images of 28x28 pixels. Options stand in a JSON or multipart body, else in the query.`,
    ...security,
    operationId: 'attack',
    tags: ['attacks'],
    request: {
      query: AttackOptions,
      headers: z.object({
        accept: z
          .string()
          .optional()
          .openapi({ description: 'application/json or image/png', example: 'application/json' }),
      }),
      body: {
        required: true,
        content: {
          'application/json': { schema: attackRequest(limits) },
          'image/png': { schema: binary('A PNG of 28x28 pixels, white on black') },
          'application/octet-stream': { schema: binary('Little-endian float32, 784 an image, each in 0..1') },
          'multipart/form-data': {
            schema: AttackOptions.extend({
              images: z.array(binary('A PNG of 28x28 pixels')).min(1).max(limits.images),
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
          'application/json': { schema: AttackAnswer },
          'image/png': { schema: binary('8 bits, grey') },
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
  });
  for (const path of ['/models', '/models.json'])
    registry.registerPath({
      method: 'get',
      path,
      summary:
        path === '/models'
          ? 'Attackers, classifiers and how they did'
          : 'The same, by the name that it has beside a static demo',
      operationId: path === '/models' ? 'models' : 'modelsJson',
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
  registry.registerPath({
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
  });
  const plain = (
    path: string,
    summary: string,
    type: string,
    status: Record<number, string>,
    own: readonly ProblemKind[] = [],
  ): void =>
    registry.registerPath({
      method: 'get',
      path,
      summary,
      operationId: path.slice(1).replace('.json', ''),
      tags: ['server'],
      ...(own.includes('unauthorized') && security),
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
  plain('/healthz', 'Is the process alive', 'application/json', { 200: 'Yes' });
  plain('/readyz', 'Can it take requests', 'application/json', {
    200: 'Yes: a worker works, as its last inference shows',
    503: 'No: it ends, or no worker works',
  });
  plain('/metrics', 'Numbers for Prometheus', 'text/plain', { 200: "Prometheus' text format" }, secret);
  plain('/openapi.json', 'This document', 'application/json', { 200: 'OpenAPI 3.1' });
  plain('/docs', 'This document as a page', 'text/html', { 200: 'A page' });
  plain('/', 'The demo', 'text/html', { 200: 'A page' });
}

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

/** What `/openapi.json` says about itself. */
export const about = (version: string) => ({
  openapi: '3.1.0',
  info: {
    title: 'Sparring',
    version,
    description: 'Attacks images with a trained attacker, and says what two classifiers make of it.',
  },
  servers: [{ url: '.', description: 'The server that this document comes from' }],
  tags: [
    { name: 'attacks', description: 'Attack images' },
    { name: 'models', description: 'The models of the run' },
    { name: 'server', description: 'About the server' },
  ],
});

/** The page that shows `/openapi.json`; its script comes from this server. */
export const docsPage = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Sparring: the HTTP interface</title>
    <script type="module" src="docs/openapi-explorer.js"></script>
  </head>
  <body style="margin: 0">
    <openapi-explorer spec-url="openapi.json" hide-server-selection></openapi-explorer>
    <noscript>This page needs JavaScript; <a href="openapi.json">openapi.json</a> holds the same.</noscript>
  </body>
</html>
`;
