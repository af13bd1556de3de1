import type { IncomingMessage } from 'node:http';
import type { Context } from 'hono';

/** Says who sends a request, so that clients take turns. */
export type ClientOf = (request: IncomingMessage) => string;

/**
 * The address that a connection comes from; or, behind a proxy, what that says in a header: the last of a list, which the
 * proxy itself has added.
 *
 * @param header its name, of a header that no client can send past the proxy.
 */
export const clientsBy =
  (header: string | undefined): ClientOf =>
  ({ headers, socket }) => {
    const said = header === undefined ? undefined : headers[header.toLowerCase()];
    const last = (Array.isArray(said) ? said.join() : said)?.split(',').at(-1)?.trim();
    return last || (socket.remoteAddress ?? '');
  };

/** Who sends the request of a context; nobody where it came over no connection. */
export function clientIn(c: Context, clientOf: ClientOf): string {
  const { incoming } = (c.env ?? {}) as { readonly incoming?: IncomingMessage };
  return incoming ? clientOf(incoming) : '';
}
