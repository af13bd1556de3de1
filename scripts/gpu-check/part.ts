import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/** How a process ended that had a time limit. */
export interface Ending {
  readonly status: 'done' | 'failed' | 'timed out' | 'stopped';
  readonly seconds: number;
  /** Why it failed: the last lines that it wrote to stderr, or why it could not start. */
  readonly error?: string;
  readonly stdout: string;
}

/** Seconds that a process has to save what it has, after SIGTERM. */
export const grace = 5;

/**
 * Runs a command in a process group of its own. At the time limit, or when `stop` is aborted, the whole group gets SIGTERM and
 * {@link grace} later SIGKILL. Nothing of it is left when this returns, however the command ended.
 *
 * @param seconds the limit.
 */
export async function runLimited(
  [file, ...args]: readonly string[],
  seconds: number,
  stop: AbortSignal,
): Promise<Ending> {
  const begin = performance.now();
  const limit = AbortSignal.timeout(Math.round(seconds * 1000));
  const child = spawn(file!, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (part: string) => (text[name] += part));
  }
  const killGroup = (signal: NodeJS.Signals): void => {
    try {
      process.kill(-child.pid!, signal);
    } catch {
      // none of the group is left, or it never started
    }
  };
  const end = async (): Promise<void> => {
    killGroup('SIGTERM');
    await sleep(grace * 1000, undefined, { ref: false });
    killGroup('SIGKILL');
  };
  const ends = AbortSignal.any([limit, stop]);
  ends.addEventListener('abort', () => void end(), { once: true });
  const failure = await new Promise<string | null>((resolve) => {
    child.on('error', ({ message }) => resolve(message));
    child.on('exit', (code, signal) => {
      killGroup('SIGKILL'); // what it started and left behind would hold its output open
      child.on('close', () =>
        resolve(code === 0 ? null : said(text.stderr) || `exit code ${code ?? signal}`),
      );
    });
  });
  const status = limit.aborted
    ? 'timed out'
    : stop.aborted
      ? 'stopped'
      : failure === null
        ? 'done'
        : 'failed';
  return {
    status,
    seconds: Math.round((performance.now() - begin) / 100) / 10,
    ...(failure !== null && { error: failure }),
    stdout: text.stdout,
  };
}

/** The last lines of what a program said, without colours and empty lines. */
const said = (text: string): string =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-8)
    .join('\n');
