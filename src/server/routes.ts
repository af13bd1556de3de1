import { createRoute, z } from '@hono/zod-openapi';
import { ProblemBody, type ProblemKind, problemType, statusOf } from './problem.ts';

/** A header of an answer. */
export const header = (description: string) => ({ description, schema: { type: 'string' as const } });

/** On every answer. */
export const always = {
  'X-Request-Id': header(
    'The id that the request gave, or a new one; it is in the log, and in errors as requestId',
  ),
};
const retry = { 'Retry-After': header('Seconds to wait before the request is sent again') };
/** With a part of a file. */
export const range = { 'Content-Range': header('Which bytes these are, and of how many') };

/** What every request that is to be worked on may be answered. */
export const ofWork = [
  'malformed-body',
  'method-not-allowed',
  'timeout',
  'body-too-large',
  'unsupported-media-type',
  'invalid-request',
  'queue-full',
  'unexpected',
  'unavailable',
] as const satisfies readonly ProblemKind[];

/** What every route says of itself, once: the app serves it and the OpenAPI document shows it. */
export type Route = ReturnType<typeof createRoute>;

/** What the routes of a server share: whether they ask for a token, and what they then answer. */
export interface Access {
  readonly security: { readonly security?: { token: string[] }[] };
  readonly secret: readonly ProblemKind[];
}

/** @param secured whether the server asks for a token. */
export const accessOf = (secured: boolean): Access => ({
  security: secured ? { security: [{ token: [] }] } : {},
  secret: secured ? ['unauthorized'] : [],
});

/**
 * The routes of every server. Those with `security` ask for the token.
 *
 * @param hasDemo whether `/` is the demo; else it is a line of text.
 */
export function serverRoutes({ security, secret }: Access, hasDemo: boolean) {
  return {
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
    demo: hasDemo
      ? plain('/', 'The demo', 'text/html', { 200: 'A page' })
      : plain('/', 'What this is', 'text/plain', { 200: 'A line' }),
  };
}

/** A route without parameters. */
export const plain = (
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

/** Bytes, as the document has them. */
export const binary = (description: string) =>
  z.any().openapi({ type: 'string', format: 'binary', description });

/** The errors that a route may answer. */
export const problems = (...kinds: readonly ProblemKind[]) =>
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
