import { macrotask } from './macrotask.ts';

/** Handles requests one at a time. A newer one ends the one before it by the signal, and those that wait are left out. */
export function newestOnly<Request>(
  work: (request: Request, signal: AbortSignal) => Promise<void>,
): (request: Request) => void {
  let current = new AbortController();
  let last: Promise<void> = Promise.resolve();
  return (request) => {
    current.abort();
    current = new AbortController();
    const { signal } = current;
    last = last.then(async () => {
      await macrotask();
      if (!signal.aborted) await work(request, signal);
    });
  };
}
