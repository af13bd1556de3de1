import { lineOf, prepare } from './prepare.ts';
import type { StartReply, StartRequest } from './protocol.ts';
import { BackendError } from './sessions.ts';

/** Sends a reply to the page. */
export type Send<Reply> = (reply: Reply, transfer?: readonly ArrayBuffer[]) => void;

/**
 * A worker whose code uses `#ort`: it is loaded when ONNX Runtime is there. Requests that come before wait.
 *
 * @param load imports that code and gives what handles requests.
 */
export function serveLate<Request, Reply>(
  load: (send: Send<Reply | StartReply>, start: StartRequest) => Promise<(request: Request) => void>,
): void {
  // what TypeScript's DOM library calls a window is a worker here
  const scope = self as unknown as {
    onmessage: ((event: MessageEvent<Request | StartRequest>) => void) | null;
    postMessage(reply: Reply | StartReply, transfer?: readonly ArrayBuffer[]): void;
  };
  const send: Send<Reply | StartReply> = (reply, transfer = []) => scope.postMessage(reply, transfer);
  const early: Request[] = [];
  let handle = (request: Request): void => void early.push(request);
  const begin = async (start: StartRequest): Promise<void> => {
    try {
      await prepare(start, (url, loaded) => send({ kind: 'download', url, loaded }));
      handle = await load(send, start);
      send({ kind: 'ready', backend: start.backend, threads: start.threads });
      early.forEach(handle);
    } catch (error) {
      if (error instanceof BackendError) send({ kind: 'unavailable', message: lineOf(error) });
      else send({ kind: 'failed', job: null, message: lineOf(error) });
    }
  };
  scope.onmessage = ({ data }) => {
    if (isStart(data)) void begin(data);
    else handle(data);
  };
}

const isStart = (request: unknown): request is StartRequest =>
  (request as { readonly kind?: string }).kind === 'start';
