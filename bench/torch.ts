import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { JobName } from './ours.ts';

/** A PyTorch process that times jobs when asked, so that both sides' runs can alternate. */
export interface Torch {
  readonly version: string;
  readonly cuda: boolean;
  /** Milliseconds of each of `runs` runs. */
  time(job: JobName, batch: number, runs: number, device?: 'cpu' | 'cuda'): Promise<readonly number[]>;
  close(): void;
}

/** Starts `interpreter`, which must be able to import torch. Throws with what it said when it cannot. */
export async function openTorch(interpreter: string, threads: number): Promise<Torch> {
  const script = fileURLToPath(new URL('torch_peer.py', import.meta.url));
  const child = spawn(interpreter, [script, String(threads)], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, OMP_NUM_THREADS: String(threads), OPENBLAS_NUM_THREADS: String(threads) },
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = new Promise<never>((_, reject) => {
    child.on('error', reject);
    child.on('close', () => reject(new Error(`${interpreter}: ${said.trim().split('\n').at(-1)}`)));
  });
  ended.catch(() => {});
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const answer = async (): Promise<unknown> => {
    const { value } = (await Promise.race([lines.next(), ended])) as IteratorResult<string>;
    if (value === undefined) await ended;
    return JSON.parse(String(value));
  };
  const hello = (await answer()) as { version: string; cuda: boolean };
  return {
    ...hello,
    async time(job, batch, runs, device = 'cpu') {
      child.stdin.write(`${job} ${batch} ${runs} ${device}\n`);
      return (await answer()) as readonly number[];
    },
    close: () => void child.stdin.end(),
  };
}
