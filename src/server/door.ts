import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Batcher } from './batcher.ts';
import type { ClientOf } from './client.ts';
import { requestLine, type Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { besides, cut, Problem, problemType, type ProblemKind } from './problem.ts';
import { hostName } from './security.ts';

/** What stands between Node's HTTP server and the app: it answers what the app cannot, or need not, see. */
export interface Door {
  /** Answers a request that the app must not get. Returns whether it did. */
  readonly turnAway: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Answers a request whose `Expect` is none that HTTP knows. */
  readonly expectation: (request: IncomingMessage, response: ServerResponse) => void;
  /** The answer to a request whose address is none. */
  readonly unreadable: () => Response;
  /** Answers bytes that are no request, or that came too slowly. */
  readonly clientError: (error: NodeJS.ErrnoException, socket: Duplex) => void;
}

export interface DoorOptions {
  readonly batcher: Batcher;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clientOf: ClientOf;
  /** Which names a request may call this server by; null for any. */
  readonly hosts: ((name: string) => boolean) | null;
}

export function createDoor({ batcher, metrics, log, clientOf, hosts }: DoorOptions): Door {
  const pace = createPacer();
  function send(request: IncomingMessage, response: ServerResponse, problem: Problem, close: boolean): void {
    const id = idOf(request);
    const { method = '', url = '' } = request;
    const body = problem.json(id, besides(url, problem));
    response.writeHead(problem.status, {
      'content-type': problemType,
      'content-length': Buffer.byteLength(body),
      'x-request-id': id,
      ...(close && { connection: 'close' }),
      ...problem.headers,
    });
    response.end(request.method === 'HEAD' ? undefined : body);
    metrics.events.turnedAway(method, problem.status);
    log.info(requestLine(id, method, url.split('?', 1)[0]!, problem.status, performance.now()), 'request');
  }

  return {
    turnAway(request, response) {
      const problem = wrongHost(request, hosts);
      if (problem) {
        send(request, response, problem, true);
        return true;
      }
      // The app would answer the same. But under overload these are most requests, and the way through the app costs
      // several times as much. A page of another origin needs the app's headers, though.
      const { method, url = '', headers } = request;
      if (method !== 'POST' || !/^\/attack(\?|$)/.test(url) || headers.origin !== undefined) return false;
      try {
        batcher.admit(clientOf(request));
        return false;
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        pace(() => send(request, response, error, false));
        return true;
      }
    },

    expectation(request, response) {
      const problem = new Problem('expectation-failed', 'the only expectation is 100-continue');
      send(request, response, problem, true);
    },

    unreadable() {
      const id = randomUUID();
      const problem = new Problem('malformed-request', 'the address cannot be read');
      metrics.events.turnedAway('none', problem.status);
      log.info({ id, status: problem.status }, 'no request');
      return problem.response(id);
    },

    clientError(error, socket) {
      const answer = (): void => {
        if (!socket.writable || error.code === 'ECONNRESET') {
          socket.destroy();
          return;
        }
        const id = randomUUID();
        const [kind, detail] = explain(error);
        const problem = new Problem(kind, detail);
        const body = problem.json(id);
        socket.end(
          `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nContent-Type: ${problemType}\r\n` +
            `Content-Length: ${Buffer.byteLength(body)}\r\nX-Request-Id: ${id}\r\nConnection: close\r\n\r\n${body}`,
        );
        // whoever sends on is not listened to any more, and does not keep the connection
        setTimeout(() => socket.destroy(), 1000).unref();
        metrics.events.turnedAway('none', problem.status);
        log.info({ id, status: problem.status, code: error.code }, 'no request');
      };
      const current = (socket as Socket & { readonly _httpMessage?: ServerResponse | null })._httpMessage;
      // the request before it is whole: its answer comes first
      if (current?.req.complete && !current.writableFinished) current.once('close', answer);
      // what would come behind the beginning of an answer would be taken for a part of it
      else if (current?.headersSent) socket.destroy();
      else answer();
    },
  };
}

/** Answers that a pacer lets through in each of its intervals: 400 a second. */
const perInterval = 10;
/** In milliseconds. */
const interval = 25;
/** Answers that a pacer holds back; of more, each goes out at once. */
const mostHeld = 4096;

/**
 * Slows down answers that turn requests away. Clients that come back as soon as they are turned away would otherwise
 * keep this process busy with nothing else, and take the processor from the workers.
 */
export function createPacer(): (answer: () => void) => void {
  const held: (() => void)[] = [];
  let left = perInterval;
  let timer: NodeJS.Timeout | undefined;
  const tick = (): void => {
    if (held.length === 0 && left === perInterval) {
      clearInterval(timer);
      timer = undefined;
      return;
    }
    left = perInterval;
    for (const answer of held.splice(0, left)) {
      left--;
      answer();
    }
  };
  return (answer) => {
    timer ??= setInterval(tick, interval);
    if (held.length >= mostHeld) answer();
    else if (left > 0) {
      left--;
      answer();
    } else held.push(answer);
  };
}

/** The client's own id where it gave a proper one, as in hono/request-id. */
function idOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w\-=]{1,255}$/.test(given) ? given : randomUUID();
}

/** Why the Host of a request cannot be taken (RFC 9112, 3.2); HTTP/1.0 needs none. */
function wrongHost(request: IncomingMessage, hosts: DoorOptions['hosts']): Problem | null {
  const { host } = request.headers;
  let count = 0;
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    if (request.rawHeaders[i]!.length === 4 && request.rawHeaders[i]!.toLowerCase() === 'host') count++;
  }
  if (count > 1) return new Problem('malformed-request', 'there must be one header Host');
  if (host === undefined) {
    return request.httpVersion === '1.0'
      ? null
      : new Problem('malformed-request', 'the header Host is missing');
  }
  if (!/^([\w.-]+|\[[\da-f:.]+\])(:\d{0,5})?$/i.test(host))
    return new Problem('malformed-request', `Host: ${cut(host)} is no name`);
  if (hosts === null || hosts(hostName(host)) || isHealth(request.url)) return null;
  return new Problem(
    'wrong-host',
    `${cut(host)} is no name of this server; start it with --allow-host ${cut(hostName(host))}, or with a token`,
  );
}

/** Load balancers ask these by any name, and they tell nothing. */
const isHealth = (url = ''): boolean =>
  ['/healthz', '/readyz', '/v2/health/live', '/v2/health/ready'].includes(url);

function explain({ code = '' }: NodeJS.ErrnoException): readonly [kind: ProblemKind, detail: string] {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['timeout', 'the request did not come in whole in time'];
    case 'HPE_HEADER_OVERFLOW':
      return ['headers-too-large', 'the headers are too large'];
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return ['body-too-large', 'the chunk extensions are too large'];
    default:
      return ['malformed-request', `this is not HTTP/1.1 (${code.slice(0, 60)})`];
  }
}
