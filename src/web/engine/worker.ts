import { Abandoned, attackBy, classify } from './attacks.ts';
import { loadRuntime } from './ort.ts';
import type { AttackRequest, Reply, Request, StartRequest } from './protocol.ts';
import { Sessions } from './sessions.ts';

/** The worker: everything that takes time happens here, and the page stays free. */

/** What TypeScript's DOM library calls a window is a worker here. */
const scope = self as unknown as {
  onmessage: ((event: MessageEvent<Request>) => void) | null;
  postMessage(reply: Reply): void;
};
const send = (reply: Reply): void => scope.postMessage(reply);

let sessions: Promise<Sessions> | undefined;
let waiting: AttackRequest | undefined;
let working = false;

scope.onmessage = ({ data: request }) => {
  switch (request.kind) {
    case 'start':
      sessions = start(request);
      sessions.catch((error: unknown) => send({ kind: 'failed', job: null, message: lineOf(error) }));
      break;
    case 'attack':
      waiting = request;
      if (!working) void work();
      break;
    default:
      request satisfies never;
  }
};

async function start({ backend, threads, base }: StartRequest): Promise<Sessions> {
  const ort = await loadRuntime(backend, threads);
  send({ kind: 'ready', backend, threads });
  return new Sessions(ort, {
    backend,
    base,
    onProgress: (url, loaded, total) => send({ kind: 'download', url, loaded, total }),
  });
}

/** Does the newest job there is until there is none. */
async function work(): Promise<void> {
  working = true;
  for (let job = take(); job; job = take()) {
    try {
      await attack(job);
    } catch (error) {
      if (!(error instanceof Abandoned)) send({ kind: 'failed', job: job.job, message: lineOf(error) });
    }
  }
  working = false;
}

function take(): AttackRequest | undefined {
  const job = waiting;
  waiting = undefined;
  return job;
}

async function attack(request: AttackRequest): Promise<void> {
  const opened = await sessions!;
  const { job, image, classifiers, target, attacker, attackStep } = request;
  for (const model of [...Object.values(classifiers), attacker, attackStep]) {
    // what fails here fails again where it is waited for
    if (model) opened.open(model).catch(() => {});
  }
  const predictions = await classify(image, request, opened);
  const label = request.label ?? highest(predictions[target]!);
  send({ kind: 'clean', job, label, predictions });
  for (const [i, method] of request.methods.entries()) {
    const breathe = async (): Promise<void> => {
      await macrotask();
      // the first is what the person looks at: dropping it too would freeze the picture while a slider moves
      if (i > 0 && waiting) throw new Abandoned();
    };
    await breathe();
    const outcome = await attackBy(method, request, { sessions: opened, label, breathe });
    send({ kind: 'attacked', job, outcome });
  }
  send({ kind: 'done', job });
}

const highest = (values: Float32Array): number => values.indexOf(Math.max(...values));

/** Until messages that have arrived were handled. A MessageChannel, because setTimeout waits 4 ms when nested. */
const macrotask = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });

const lineOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]!;
