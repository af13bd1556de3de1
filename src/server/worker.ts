/** The worker thread: holds the sessions. */
import { readFile } from 'node:fs/promises';
import { workerData } from 'piscina';
import { openCell, type Batch, type BatchResult, type CellSource, type OpenCell } from './inference.ts';

/** What a worker is started with. */
export interface WorkerData {
  readonly cells: readonly CellSource[];
  /** Threads of ONNX Runtime in each session. */
  readonly threads: number;
  /** Cells whose sessions stay open; of more, the one that was used longest ago is closed. */
  readonly openCells: number;
}

const { cells, threads, openCells } = workerData as WorkerData;
/** In the order of their last use. Only one batch is in work at a time, so none is closed while it is used. */
const open = new Map<string, OpenCell>();

/** Attacks a batch. */
export async function attack({ cell, ...batch }: Batch): Promise<BatchResult> {
  const models = open.get(cell) ?? (await opened(cell));
  open.delete(cell);
  open.set(cell, models);
  return await models.attack(batch);
}

async function opened(folder: string): Promise<OpenCell> {
  const [oldest] = open;
  if (oldest && open.size >= openCells) {
    open.delete(oldest[0]);
    await oldest[1].close();
  }
  const { eps, c1, c2, attacker } = cells.find((cell) => cell.folder === folder)!;
  const bytes = async (model: string | Uint8Array) =>
    typeof model === 'string' ? await readFile(model) : model;
  return await openCell(
    { eps, c1: await bytes(c1), c2: await bytes(c2), attacker: await bytes(attacker) },
    threads,
  );
}
