import type { OpenAPIHono } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import { ProblemBody, type ProblemKind, statusOf } from './problem.ts';
import { AttackAnswer, AttackOptions, attackRequest, ManifestAnswer, type RequestLimits } from './schemas.ts';

type Registry = OpenAPIHono['openAPIRegistry'];

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
    request: {
      query: AttackOptions,
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
      },
      ...problems(
        ...secret,
        'malformed-body',
        'not-acceptable',
        'body-timeout',
        'body-too-large',
        'unsupported-media-type',
        'invalid-request',
        'queue-full',
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
      ...security,
      responses: {
        200: { description: 'The run', content: { 'application/json': { schema: ManifestAnswer } } },
        ...problems(...secret),
      },
    });
  registry.registerPath({
    method: 'get',
    path: '/models/{folder}/{file}',
    summary: 'A model as an ONNX file',
    ...security,
    request: {
      params: z.object({ folder: z.string(), file: z.string() }),
      query: z.object({
        sha256: z
          .string()
          .optional()
          .openapi({ description: 'Its hash, or how that begins: the answer may then be cached for ever' }),
      }),
      headers: z.object({ range: z.string().optional(), 'if-none-match': z.string().optional() }),
    },
    responses: {
      200: { description: 'The file', content: { 'application/octet-stream': { schema: binary('ONNX') } } },
      206: { description: 'A range of it' },
      304: { description: 'It is what the client has' },
      ...problems(...secret, 'not-found', 'range-not-satisfiable'),
    },
  });
  const plain = (path: string, summary: string, type: string, status: Record<number, string>): void =>
    registry.registerPath({
      method: 'get',
      path,
      summary,
      responses: Object.fromEntries(
        Object.entries(status).map(([code, description]) => [
          code,
          { description, content: { [type]: { schema: type === 'application/json' ? Status : z.string() } } },
        ]),
      ),
    });
  plain('/healthz', 'Is the process alive', 'application/json', { 200: 'Yes' });
  plain('/readyz', 'Can it take requests', 'application/json', {
    200: 'Yes',
    503: 'No: it ends, or has no worker',
  });
  plain('/metrics', 'Numbers for Prometheus', 'text/plain', { 200: "Prometheus' text format" });
  plain('/openapi.json', 'This document', 'application/json', { 200: 'OpenAPI 3.1' });
}

const Status = z.looseObject({ status: z.string().optional() });

const binary = (description: string) => z.any().openapi({ type: 'string', format: 'binary', description });

const problems = (...kinds: readonly ProblemKind[]) =>
  Object.fromEntries(
    kinds.map((kind) => {
      const [status, description] = statusOf(kind);
      return [status, { description, content: { 'application/problem+json': { schema: ProblemBody } } }];
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
