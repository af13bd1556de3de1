import { spawn } from 'node:child_process';
import { extname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { JobName } from './ours.ts';

/**
 * A process that runs jobs when asked, so that the sides can take turns. It is asked in lines, `time JOB BATCH RUNS` or
 * `peak`, and answers each with a line of JSON; its first line says what it is.
 */
export interface Side {
  /** Library and version. */
  readonly name: string;
  /** What multiplies its matrices. */
  readonly kernel: string;
  /** Milliseconds of each of `runs` runs. `gemm` is a matrix product, see floor.ts; only our side knows it. */
  time(job: JobName | 'gemm', batch: number, runs: number): Promise<readonly number[]>;
  /** The most memory that the process ever held, in MiB. */
  peak(): Promise<number>;
  close(): Promise<void>;
}

/** How a side is started: a command line and its environment. */
export interface Start {
  readonly command: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

const beside = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** Sparring on a device; this process's own loader of TypeScript, or none where all of this is compiled. */
export const ours = (threads: number, device: string): Start => ({
  command: [
    process.execPath,
    ...process.execArgv,
    beside(`ours_peer${extname(import.meta.url)}`),
    String(threads),
    device,
  ],
});

/** The environment of PyTorch: as many threads as we have, and whichever kernels OpenBLAS finds best for the processor. */
export function torchEnvironment(threads: number): NodeJS.ProcessEnv {
  const { OPENBLAS_CORETYPE: _, OPENBLAS_L2_SIZE: __, ...env } = process.env;
  return { ...env, OMP_NUM_THREADS: String(threads), OPENBLAS_NUM_THREADS: String(threads) };
}

/** PyTorch of an interpreter, as it is or through torch.compile. */
export const torch = (interpreter: string, threads: number, device: string, compile = false): Start => ({
  command: [interpreter, beside('torch_peer.py'), String(threads), device, ...(compile ? ['compile'] : [])],
  env: torchEnvironment(threads),
});

/** TensorFlow.js on its CPU backend, as installed in a folder; one thread, for it has no more. */
export const tfjs = (folder: string): Start => ({
  command: [process.execPath, beside('tfjs_peer.mjs'), folder],
});

/** Starts a side. Throws with the last line of what it said when it cannot run. */
export async function open({ command, env }: Start): Promise<Side> {
  const [file, ...args] = command;
  const child = spawn(file!, args, { stdio: ['pipe', 'pipe', 'pipe'], env: env ?? process.env });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = new Promise<never>((_, reject) => {
    child.on('error', reject);
    child.on('close', () => reject(new Error(`${file}: ${said.trim().split('\n').at(-1)}`)));
  });
  ended.catch(() => {});
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const answer = async (): Promise<unknown> => {
    const { value } = (await Promise.race([lines.next(), ended])) as IteratorResult<string>;
    if (value === undefined) await ended;
    return JSON.parse(String(value));
  };
  const ask = async (...words: readonly (string | number)[]): Promise<unknown> => {
    child.stdin.write(`${words.join(' ')}\n`);
    return await answer();
  };
  const { name, kernel } = (await answer()) as { readonly name: string; readonly kernel: string };
  return {
    name,
    kernel,
    time: async (job, batch, runs) => (await ask('time', job, batch, runs)) as readonly number[],
    peak: async () => (await ask('peak')) as number,
    async close() {
      child.stdin.end();
      await ended.catch(() => {});
    },
  };
}

/** Milliseconds from the start of a process to the first line that it writes. */
export async function startup({ command, env }: Start): Promise<number> {
  const [file, ...args] = command;
  const begin = performance.now();
  const child = spawn(file!, args, { stdio: ['ignore', 'pipe', 'inherit'], env: env ?? process.env });
  const time = await new Promise<number>((resolve, reject) => {
    child.stdout.once('data', () => resolve(performance.now() - begin));
    child.on('error', reject);
    child.on('close', (code) => reject(new Error(`${command.join(' ')} ended with exit code ${code}`)));
  });
  await new Promise((resolve) => (child.exitCode === null ? child.on('close', resolve) : resolve(null)));
  return time;
}
