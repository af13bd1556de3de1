import { readFileSync } from 'node:fs';
import { constants } from 'node:os';

/** The signals that ask a command to stop: Ctrl-C, `kill`, and a terminal that goes away. */
export const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type StopSignal = (typeof stopSignals)[number];

/** Milliseconds after the first signal in which a repeat does not count. */
export const graceMs = 2000;

/** What to tell a person whose first signal has been received. */
export const quitHint = 'Ctrl-C again after 2 s quits at once';

/** The exit code of a command that a signal stopped: 128 + n, as shells count. */
export const exitCodeOf = (signal: StopSignal): number => 128 + constants.signals[signal];

/**
 * Calls a handler on the first signal that asks to stop. Repeats within {@link graceMs} do not count: one Ctrl-C reaches
 * the whole process group and is relayed once more by the package runner. A later one ends the process at once.
 *
 * A package runner (npx, pnpm) that is killed cannot relay anything. A command that was started through one therefore
 * stops when the runner is gone, as if by SIGTERM. One that was started directly, for example by nohup, does not.
 *
 * @param handler is called once.
 * @param signals those that ask to stop; all of {@link stopSignals} when absent.
 * @returns stops listening. Once a signal has come it does nothing, so that a late repeat does not end the process.
 */
export function onStop(
  handler: (signal: StopSignal) => void,
  signals: readonly StopSignal[] = stopSignals,
): () => void {
  let first: number | undefined;
  const receive = (signal: StopSignal): void => {
    if (first === undefined) {
      first = performance.now();
      unwatch();
      handler(signal);
    } else if (performance.now() - first >= graceMs) {
      process.stderr.write(`${signal} again: quitting at once\n`);
      process.exit(exitCodeOf(signal));
    }
  };
  const unwatch = onOrphaned(() => receive('SIGTERM'));
  for (const signal of signals) process.on(signal, receive);
  return () => {
    if (first !== undefined) return;
    unwatch();
    for (const signal of signals) process.off(signal, receive);
  };
}

/** A demand to stop, for work that takes an AbortSignal. */
export interface Stop {
  /** Aborts on the first signal. */
  readonly signal: AbortSignal;
  /** Which signal it was; undefined before. */
  readonly received: () => StopSignal | undefined;
  /** See {@link onStop}. */
  readonly dispose: () => void;
}

/**
 * {@link onStop} as an AbortSignal.
 *
 * @param tell is called on the first signal, to say what happens now.
 */
export function stopController(tell?: (signal: StopSignal) => void): Stop {
  const controller = new AbortController();
  let received: StopSignal | undefined;
  const dispose = onStop((signal) => {
    received = signal;
    tell?.(signal);
    controller.abort();
  });
  return { signal: controller.signal, received: () => received, dispose };
}

const watchMs = 500;

/** npm, npx, pnpm, yarn and bun set it for what they run. */
const runnerVariable = 'npm_lifecycle_event';

/** Calls back when a package runner that started this process is gone; gives what ends the watch. */
function onOrphaned(callback: () => void): () => void {
  if (!isRunBy(process.pid)) return () => {};
  const watched = runners();
  const timer = setInterval(() => {
    if (!watched.every(({ pid, parent }) => parentOf(pid) === parent)) callback();
  }, watchMs).unref();
  return () => clearInterval(timer);
}

interface Ancestor {
  readonly pid: number;
  readonly parent: number;
}

/**
 * This process and those above it that a package runner started, each with its parent: the last parent is the outermost
 * runner. A parent that dies leaves its children to another one, which is how its death shows, also as a zombie. Only
 * processes of this session count, so that what was made a daemon (setsid) runs on. Without /proc, only the parent of
 * this process is known.
 */
function runners(): readonly Ancestor[] {
  const self = statusOf(process.pid);
  if (self === null) return [{ pid: process.pid, parent: process.ppid }];
  const found: Ancestor[] = [];
  let { pid, parent } = { pid: process.pid, parent: self.parent };
  while (isRunBy(pid) && statusOf(parent)?.session === self.session) {
    found.push({ pid, parent });
    [pid, parent] = [parent, statusOf(parent)?.parent ?? 0];
  }
  return found;
}

const parentOf = (pid: number): number | undefined =>
  pid === process.pid ? process.ppid : statusOf(pid)?.parent;

function statusOf(pid: number): { readonly parent: number; readonly session: number } | null {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === null) return null;
  // pid (name) state parent group session; the name may hold anything
  const [, , parent, , session] = stat.slice(stat.lastIndexOf(')')).split(' ');
  return { parent: Number(parent), session: Number(session) };
}

const isRunBy = (pid: number): boolean =>
  pid === process.pid
    ? runnerVariable in process.env
    : (read(`/proc/${pid}/environ`) ?? '').split('\0').some((pair) => pair.startsWith(`${runnerVariable}=`));

function read(file: string): string | null {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return null;
  }
}
