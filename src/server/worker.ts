/** The worker process: holds the sessions. */
import { openServed } from './classifier.ts';
import { openCell } from './inference.ts';
import { readModelFile } from './model-files.ts';
import type { CellSource, ModelSource, Source } from './sources.ts';
import { answerTasks } from './supervised.ts';
import { blankOf, type Batch, type Result } from './work.ts';

/** A batch, and what a worker needs to know to do it. */
export interface Task {
  readonly source: Source;
  /** Null for a probe, which only shows that models run: those that were used last will do, so that none is closed for it. */
  readonly batch: Batch | null;
  /** Threads of ONNX Runtime in each session. */
  readonly threads: number;
  /** Sources whose sessions stay open; of more, the one that was used longest ago is closed. */
  readonly openCells: number;
  /** When there is no time left for it, in milliseconds since 1970. */
  readonly deadline: number;
}

/** A source whose sessions are open. */
interface Open {
  readonly source: Source;
  answer(batch: Omit<Batch, 'cell'>, deadline: number): Promise<Result>;
  close(): Promise<void>;
}

// Whoever stops the server may signal its whole process group; requests in work still need this process, which ends
// with the server's.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

/** In the order of their last use. Only one batch is in work at a time, so none is closed while it is used. */
const open = new Map<string, Open>();

async function answer(task: Task): Promise<Result> {
  const { source, batch, deadline } = task;
  const last = batch === null ? [...open.values()].at(-1) : undefined;
  const one = last ?? open.get(source.id) ?? (await opened(task));
  open.delete(one.source.id);
  open.set(one.source.id, one);
  return await one.answer(batch ?? blankOf(one.source), deadline);
}

async function opened({ source, threads, openCells }: Task): Promise<Open> {
  const [oldest] = open;
  if (oldest && open.size >= openCells) {
    open.delete(oldest[0]);
    await oldest[1].close();
  }
  if (source.kind === 'classifier') return { source, ...(await openServed(source, threads)) };
  const cell = await openedCell(source, threads);
  return { source, answer: (batch) => cell.attack(batch), close: () => cell.close() };
}

async function openedCell({ eps, image, c1, c2, attacker }: CellSource, threads: number) {
  const read = ({ path, sha256 }: ModelSource): Promise<Uint8Array> => readModelFile(path, sha256);
  const models = { c1: await read(c1), c2: c2 && (await read(c2)), attacker: await read(attacker) };
  return await openCell({ eps, image, ...models }, threads);
}

answerTasks(answer);
