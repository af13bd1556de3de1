/** The worker process: holds the sessions. */
import type { ImageShape } from '../runtime/attacks/images.ts';
import { openCell, type Batch, type BatchResult, type OpenCell } from './inference.ts';
import { readModelFile } from './model-files.ts';
import { answerTasks } from './supervised.ts';

/** A model file, and the hash that it must have whenever a worker opens it. */
export interface ModelSource {
  readonly path: string;
  readonly sha256: string;
}

/** Where the models of a cell are. */
export interface CellSource {
  readonly folder: string;
  readonly eps: number;
  readonly image: ImageShape;
  readonly c1: ModelSource;
  readonly c2: ModelSource | null;
  readonly attacker: ModelSource;
}

/** A batch, and what a worker needs to know to attack it. */
export interface Task {
  readonly source: CellSource;
  readonly batch: Batch;
  /** Threads of ONNX Runtime in each session. */
  readonly threads: number;
  /** Cells whose sessions stay open; of more, the one that was used longest ago is closed. */
  readonly openCells: number;
  /** Only to show that models run: those that were used last will do, so that none is closed for it. */
  readonly probe?: true;
}

// Whoever stops the server may signal its whole process group; requests in work still need this process, which ends
// with the server's.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

/** In the order of their last use. Only one batch is in work at a time, so none is closed while it is used. */
const open = new Map<string, OpenCell>();

/** Attacks a batch. */
async function attack(task: Task): Promise<BatchResult> {
  const folder = (task.probe && [...open.keys()].at(-1)) ?? task.source.folder;
  const cell = open.get(folder) ?? (await opened(task));
  open.delete(folder);
  open.set(folder, cell);
  return await cell.attack(task.batch);
}

async function opened({ source, threads, openCells }: Task): Promise<OpenCell> {
  const { eps, image, c1, c2, attacker } = source;
  const [oldest] = open;
  if (oldest && open.size >= openCells) {
    open.delete(oldest[0]);
    await oldest[1].close();
  }
  const read = ({ path, sha256 }: ModelSource): Promise<Uint8Array> => readModelFile(path, sha256);
  const models = { c1: await read(c1), c2: c2 && (await read(c2)), attacker: await read(attacker) };
  return await openCell({ eps, image, ...models }, threads);
}

answerTasks(attack);
