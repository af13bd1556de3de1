import type { StartRequest } from './protocol.ts';

/** What a worker says when it could not even be loaded. */
interface Broken {
  readonly kind: 'failed';
  readonly job: null;
  readonly message: string;
}

/** A worker that a page talks to. */
export interface Link<Request> {
  send(request: Request, transfer?: readonly ArrayBuffer[]): void;
  close(): void;
}

/** Tells a worker how to start, and hands on what it says until it is closed. */
export function linkTo<Request, Reply>(
  worker: Worker,
  start: Omit<StartRequest, 'kind' | 'base'>,
  onReply: (reply: Reply | Broken) => void,
): Link<Request> {
  let closed = false;
  const reply = (own: Reply | Broken): void => {
    if (!closed) onReply(own);
  };
  worker.onmessage = ({ data }: MessageEvent<Reply>) => reply(data);
  worker.onerror = ({ message }) =>
    reply({ kind: 'failed', job: null, message: message || 'the worker could not be loaded' });
  worker.postMessage({ kind: 'start', ...start, base: document.baseURI } satisfies StartRequest);
  return {
    send: (request, transfer = []) => worker.postMessage(request, [...transfer]),
    close() {
      closed = true;
      worker.terminate();
    },
  };
}
