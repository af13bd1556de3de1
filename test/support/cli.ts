import { spawn, type ChildProcess } from 'node:child_process';
import { bin } from './build.ts';

/** How a process ended, and what it wrote. */
export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A `sparring` command in a process of its own. */
export interface Command {
  readonly process: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Waits until standard error holds `text`. Throws when the process ends before. */
  says(text: string): Promise<void>;
  /** What is on standard error by now. */
  readonly stderr: () => string;
}

export interface Where {
  readonly cwd: string;
  /** The largest file that the process may write, in blocks of 512 bytes (POSIX `ulimit -f`). */
  readonly fileLimit?: number;
  /** How many files the process may have open. */
  readonly openFiles?: number;
  /** A file that takes standard output. */
  readonly stdout?: string;
}

/** The command line of `sparring` with these arguments. */
export const commandOf = (args: readonly string[]): readonly string[] => [process.execPath, bin, ...args];

/** Starts `sparring` with these arguments. */
export function start(args: readonly string[], { cwd, fileLimit, openFiles, stdout }: Where): Command {
  const node = commandOf(args);
  const limit =
    (fileLimit === undefined ? '' : `ulimit -f ${fileLimit};`) +
    (openFiles === undefined ? '' : `ulimit -n ${openFiles};`);
  const into = stdout === undefined ? '' : `> '${stdout}'`;
  const [file, ...rest] =
    limit + into === '' ? node : ['sh', '-c', `${limit} exec "$@" ${into}`, 'sh', ...node];
  const child = spawn(file!, rest, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const written = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (chunk: string) => (written[stream] += chunk));
  }
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...written }));
  });
  return {
    process: child,
    finished,
    stderr: () => written.stderr,
    says: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (written.stderr.includes(text)) resolve();
        };
        child.stderr.on('data', look);
        child.on('close', () => reject(new Error(`it ended without "${text}":\n${written.stderr}`)));
        look();
      }),
  };
}

/** Runs `sparring` to its end. */
export const sparring = (args: readonly string[], where: Where): Promise<Finished> =>
  start(args, where).finished;
