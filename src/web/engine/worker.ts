import { attackOf, type Configured } from '../../runtime/attacks/index.ts';
import { Abandoned, attackBy, classify } from './attacks.ts';
import { macrotask } from './macrotask.ts';
import { imagesOf } from './oracle.ts';
import type { AttackRequest, ModelRef, Models, Reply, Request, StartRequest } from './protocol.ts';
import { lineOf, prepare } from './prepare.ts';
import { BackendError, Sessions } from './sessions.ts';

/** The worker: everything that takes time happens here, and the page stays free. */

/** What TypeScript's DOM library calls a window is a worker here. */
const scope = self as unknown as {
  onmessage: ((event: MessageEvent<Request>) => void) | null;
  postMessage(reply: Reply): void;
};
const send = (reply: Reply): void => scope.postMessage(reply);

/** What a newer job waits for the attack that a person looks at, in milliseconds. */
const patience = 500;

let sessions: Sessions | undefined;
let backend: StartRequest['backend'];
let waiting: AttackRequest | undefined;
let working = false;
/** Called when a newer job arrives. */
let onNewer: (() => void) | undefined;

scope.onmessage = ({ data: request }) => {
  switch (request.kind) {
    case 'start':
      start(request);
      break;
    case 'load':
      load(request.models);
      break;
    case 'attack':
      waiting = request;
      onNewer?.();
      if (!working) void work();
      break;
    default:
      request satisfies never;
  }
};

function start(request: StartRequest): void {
  const { base, threads } = request;
  ({ backend } = request);
  const onProgress = (url: string, loaded: number): void => send({ kind: 'download', url, loaded });
  const ort = prepare(request, onProgress);
  ort
    .then(() => send({ kind: 'ready', backend, threads }))
    .catch((error: unknown) =>
      send(
        error instanceof BackendError
          ? { kind: 'unavailable', message: lineOf(error) }
          : { kind: 'failed', job: null, message: lineOf(error) },
      ),
    );
  sessions = new Sessions(ort, { backend, base, onProgress });
}

/** Begins to fetch and open models: the small ones first, the attacker when they are there. */
function load({ classifiers, gradient, attacker }: Models): void {
  const small = [...Object.values(classifiers), ...(gradient ? [gradient] : [])];
  // what fails here fails again where it is waited for
  void Promise.allSettled(small.map((model) => sessions!.open(model))).then(() =>
    sessions!.open(attacker).catch(() => {}),
  );
}

/** Does the newest job there is until there is none. */
async function work(): Promise<void> {
  working = true;
  for (let job = take(); job; job = take()) {
    try {
      await attack(job);
    } catch (error) {
      if (error instanceof BackendError && backend === 'webgpu') {
        send({ kind: 'unavailable', message: lineOf(error) });
      } else if (!(error instanceof Abandoned)) {
        send({ kind: 'failed', job: job.job, message: lineOf(error) });
      }
    }
  }
  working = false;
}

function take(): AttackRequest | undefined {
  const job = waiting;
  waiting = undefined;
  return job;
}

/** Attacks by each method. One that fails does not keep the others from being done; its error is thrown at the end. */
async function attack(request: AttackRequest): Promise<void> {
  const { job, image, card, models, target } = request;
  const opened = sessions!;
  load(models);
  for (const model of Object.values(models.classifiers)) await openUnlessNewer(model);
  const predictions = await classify(imagesOf(image, card.image), models, opened);
  const label = request.label ?? highest(predictions[target]!);
  send({ kind: 'clean', job, label, predictions });
  const isTrained = ({ attack: name }: Configured): boolean => attackOf(name).access === 'model';
  const late = (one: Configured): number => Number(isTrained(one) && !opened.isOpen(models.attacker));
  const failures: unknown[] = [];
  for (const [i, one] of request.attacks.toSorted((a, b) => late(a) - late(b)).entries()) {
    const started = performance.now();
    const breathe = async (): Promise<void> => {
      await macrotask();
      // the first is what the person looks at: dropping it too would freeze the picture while a slider moves
      if (waiting && (i > 0 || performance.now() - started > patience)) throw new Abandoned();
    };
    try {
      await breathe();
      if (isTrained(one)) await openUnlessNewer(models.attacker);
      const outcome = await attackBy(one, request, { sessions: opened, label, breathe });
      send({ kind: 'attacked', job, outcome });
    } catch (error) {
      if (error instanceof Abandoned) throw error;
      if (error instanceof BackendError && backend === 'webgpu') throw error;
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  send({ kind: 'done', job });
}

/** Waits for a model that may be on its way for long. Throws {@link Abandoned} when a newer job comes first. */
async function openUnlessNewer(model: ModelRef): Promise<void> {
  const newer = new Promise<never>((_, reject) => {
    onNewer = () => reject(new Abandoned());
    if (waiting && !sessions!.isOpen(model)) onNewer();
  });
  try {
    await Promise.race([sessions!.open(model), newer]);
  } finally {
    onNewer = undefined;
  }
}

const highest = (values: Float32Array): number => values.indexOf(Math.max(...values));
