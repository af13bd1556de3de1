/** The worker process: holds the sessions. */
import { readFile } from 'node:fs/promises';
import { openCell, type Batch, type BatchResult, type OpenCell } from './inference.ts';

/** Where the models of a cell are. */
export interface CellSource {
  readonly folder: string;
  readonly eps: number;
  /** Paths. */
  readonly c1: string;
  readonly c2: string;
  readonly attacker: string;
}

/** A batch, and what a worker needs to know to attack it. */
export interface Task {
  readonly source: CellSource;
  readonly batch: Batch;
  /** Threads of ONNX Runtime in each session. */
  readonly threads: number;
  /** Cells whose sessions stay open; of more, the one that was used longest ago is closed. */
  readonly openCells: number;
}

// Whoever stops the server may signal its whole process group; requests in work still need this process, which ends
// with the server's.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

/** In the order of their last use. Only one batch is in work at a time, so none is closed while it is used. */
const open = new Map<string, OpenCell>();

/** Attacks a batch. */
export async function attack(task: Task): Promise<BatchResult> {
  const { folder } = task.source;
  const cell = open.get(folder) ?? (await opened(task));
  open.delete(folder);
  open.set(folder, cell);
  return await cell.attack(task.batch);
}

async function opened({ source: { eps, c1, c2, attacker }, threads, openCells }: Task): Promise<OpenCell> {
  const [oldest] = open;
  if (oldest && open.size >= openCells) {
    open.delete(oldest[0]);
    await oldest[1].close();
  }
  const models = { c1: await readFile(c1), c2: await readFile(c2), attacker: await readFile(attacker) };
  return await openCell({ eps, ...models }, threads);
}
