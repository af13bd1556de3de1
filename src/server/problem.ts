import type { Context } from 'hono';
import type { RequestIdVariables } from 'hono/request-id';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { z } from '@hono/zod-openapi';

/** One thing that is wrong with a request. */
const Fault = z.strictObject({
  field: z.string().openapi({ description: 'Where: a path into the request', example: 'images[0][3][27]' }),
  message: z.string(),
  value: z.unknown().optional().openapi({ description: 'What was there, shortened' }),
  limit: z.unknown().optional().openapi({ description: 'What may be there' }),
});
export type Fault = Readonly<z.infer<typeof Fault>>;

/** The body of every error answer (RFC 9457, `application/problem+json`). */
export const ProblemBody = z
  .looseObject({
    type: z.string().openapi({ example: 'urn:sparring:problem:invalid-request' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    errors: z.array(Fault).optional(),
    requestId: z.string().optional().openapi({ description: 'As in X-Request-Id and in the log' }),
  })
  .openapi('Problem');

/** What can go wrong: kind, status, title. */
const kinds = {
  'malformed-body': [400, 'The body cannot be read'],
  'malformed-request': [400, 'The request is not HTTP as this server speaks it'],
  unauthorized: [401, 'A bearer token is needed'],
  'not-found': [404, 'There is nothing here'],
  'method-not-allowed': [405, 'The method is not allowed here'],
  'not-acceptable': [406, 'No answer in an acceptable format'],
  timeout: [408, 'The request came too slowly'],
  'body-too-large': [413, 'The body is too large'],
  'unsupported-media-type': [415, 'The body has a type or an encoding that is not understood'],
  'range-not-satisfiable': [416, 'The range lies outside the file'],
  'expectation-failed': [417, 'The expectation is not understood'],
  'wrong-host': [421, 'The request names another host'],
  'invalid-request': [422, 'The request is not valid'],
  'queue-full': [429, 'The server is busy'],
  'headers-too-large': [431, 'The headers are too large'],
  'client-gone': [499, 'The client went away'],
  unexpected: [500, 'The server made a mistake'],
  unavailable: [503, 'The attack could not be computed'],
  'model-unreadable': [503, 'The model cannot be read'],
  // 499 is not in the registry: it is never sent, only logged and counted, as nginx does
} as const satisfies Readonly<Record<string, readonly [ContentfulStatusCode | 499, string]>>;
export type ProblemKind = keyof typeof kinds;

/** Status and title of a kind of problem. */
export const statusOf = (kind: ProblemKind): (typeof kinds)[ProblemKind] => kinds[kind];

/** An error answer. Throw it anywhere below {@link onError}. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly kind: ProblemKind;
  readonly errors: readonly Fault[];
  readonly headers: Readonly<Record<string, string>>;

  /**
   * @param detail one sentence for the person who sent the request.
   * @param more what is wrong field by field, and headers of the answer.
   */
  constructor(
    kind: ProblemKind,
    detail: string,
    more: { readonly errors?: readonly Fault[]; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(detail);
    this.kind = kind;
    this.errors = more.errors ?? [];
    this.headers = more.headers ?? {};
  }

  get status(): number {
    return kinds[this.kind][0];
  }

  /**
   * The body of the answer.
   *
   * @param more members besides.
   */
  json(requestId?: string, more: Readonly<Record<string, string>> = {}): string {
    return JSON.stringify({
      type: `urn:sparring:problem:${this.kind}`,
      title: kinds[this.kind][1],
      status: this.status,
      detail: this.message,
      ...(this.errors.length > 0 && { errors: this.errors }),
      ...(requestId !== undefined && { requestId }),
      ...more,
    });
  }

  response(requestId?: string, more?: Readonly<Record<string, string>>): Response {
    return new Response(this.json(requestId, more), {
      status: this.status,
      headers: {
        'content-type': problemType,
        ...(requestId !== undefined && { 'x-request-id': requestId }),
        ...this.headers,
      },
    });
  }
}

/** The type of every error answer. */
export const problemType = 'application/problem+json';

/** The rejection of one field. */
export const invalid = (fault: Fault): Problem =>
  new Problem('invalid-request', `${fault.field}: ${fault.message}`, { errors: [fault] });

/** Faults that one answer tells of. */
const maxFaults = 10;

/** The rejection of a value that does not keep a schema: the first faults, each with field, value and limit. */
export function invalidBy({ issues }: z.ZodError, data: unknown): Problem {
  const faults = issues
    .slice(0, maxFaults)
    .flatMap((issue) => faultsOf(issue, data))
    .slice(0, maxFaults);
  const [first] = faults;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
  return new Problem('invalid-request', `${first!.field}: ${first!.message}${more}`, { errors: faults });
}

function faultsOf(issue: z.core.$ZodIssue, data: unknown): readonly Fault[] {
  const field = fieldOf(issue.path);
  const value = shorten(issue.path.reduce<unknown>(step, data));
  const fault = { field, message: issue.message, ...(value !== undefined && { value }) };
  switch (issue.code) {
    case 'too_big':
      return [{ ...fault, limit: Number(issue.maximum) }];
    case 'too_small':
      return [{ ...fault, limit: Number(issue.minimum) }];
    case 'invalid_value':
      return [{ ...fault, limit: issue.values }];
    case 'invalid_type':
      return [{ ...fault, limit: issue.expected }];
    case 'unrecognized_keys':
      return issue.keys.slice(0, maxFaults).map((key) => ({
        field: fieldOf([...issue.path, key]),
        message: 'There is no such field',
      }));
    default:
      return [fault];
  }
}

const step = (value: unknown, key: PropertyKey): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<PropertyKey, unknown>)[key]
    : undefined;

/** `['images', 0, 3]` -> `images[0][3]`. */
const fieldOf = (path: readonly PropertyKey[]): string =>
  cut(
    path
      .map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i > 0 ? '.' : ''}${String(key)}`))
      .join(''),
  ) || 'body';

/** A text of the request as it is told back. */
export const cut = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}...` : text);

/** A value as it is told back: numbers, booleans and short texts; of the rest only what kind it is. */
export function shorten(value: unknown): unknown {
  if (typeof value === 'string') return cut(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return typeof value === 'object' && value !== null ? 'an object' : value;
}

/** What the answer to a request under `/v2` holds besides: clients of the Open Inference Protocol look for it there. */
export const besides = (path: string, problem: Problem): Readonly<Record<string, string>> =>
  /^\/v2([/?]|$)/.test(path) ? { error: problem.message } : {};

/** A problem as the answer to a request. */
export const answerTo = (c: Context<{ Variables: RequestIdVariables }>, problem: Problem): Response =>
  problem.response(c.get('requestId'), besides(c.req.path, problem));

/** Turns whatever a handler threw into an answer; what nobody foresaw is logged and answered without its text. */
export const onError =
  (log: (error: unknown) => void) =>
  (error: Error, c: Context<{ Variables: RequestIdVariables }>): Response => {
    const answer = (problem: Problem): Response => answerTo(c, problem);
    if (error instanceof Problem) return answer(error);
    if (c.req.raw.signal.aborted) {
      return answer(new Problem('client-gone', 'the connection ended before the request did'));
    }
    log(error);
    return answer(new Problem('unexpected', 'an unexpected error; it is in the log'));
  };

/** The rejection of a body whose type is none of these. */
export const unsupported = (c: Context, types: readonly string[]): Problem =>
  new Problem('unsupported-media-type', `Content-Type must be one of ${types.join(', ')}`, {
    errors: [
      {
        field: 'Content-Type',
        message: 'No such type of body',
        value: shorten(c.req.header('content-type') ?? null),
        limit: types,
      },
    ],
  });
