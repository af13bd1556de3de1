import { fork, type ChildProcess } from 'node:child_process';

/** What the supervisor sends to a process. */
export type ToProcess<Task> = { readonly id: number; readonly task: Task } | { readonly beat: true };

/** What a process answers: to each task its result or why there is none, to each beat the beat. */
export type FromProcess<Result> =
  | { readonly id: number; readonly result: Result }
  | { readonly id: number; readonly error: string; readonly late?: boolean }
  | { readonly beat: true };

export interface SupervisorOptions<Task> {
  /** The module that the processes run; it calls `answerTasks`. */
  readonly filename: string;
  /** Processes to keep alive. */
  readonly count: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Arguments of Node for the processes; those of this process when absent. */
  readonly execArgv?: readonly string[];
  /** The task that shows that a process works, or what makes one: its first one, and repeated while it is idle. */
  readonly probe: Task | (() => Task);
  /** Between two heartbeats, in milliseconds. */
  readonly beatInterval: number;
  /** Between the last success of an idle process and its next probe, in milliseconds. */
  readonly probeInterval: number;
  /** Heartbeats that a process may miss, given the task it works on. */
  readonly patience: (task: Task) => number;
  /** A process ended unasked, or could not be started; another one is started. */
  readonly onEnd: (error: Error) => void;
}

/** Processes that are kept alive, and share tasks. */
export interface Supervisor<Task, Result> {
  /**
   * Done when every process has answered its first probe.
   *
   * @throws Error when one answers that it cannot, or ends three times before it answers.
   */
  readonly started: Promise<void>;
  /**
   * Runs a task on the process with the least to do.
   *
   * @param signal when it aborts, a process that works on the task is ended and replaced.
   * @throws TaskFailed when the process says why it cannot; Error when the process ends before it has answered.
   */
  readonly run: (task: Task, signal: AbortSignal) => Promise<Result>;
  /** How many processes work: their last probe succeeded, and they answer heartbeats. */
  readonly ready: () => number;
  /** The ids of the processes that there are. */
  readonly pids: () => readonly number[];
  /** Ends the processes; what they work on is lost. */
  readonly close: () => Promise<void>;
}

/** A task that a process could not do, in the words of the process. The process lives on. */
export class TaskFailed extends Error {
  override readonly name = 'TaskFailed';
  /** Whether there was no time for it, which is no fault of the process. */
  readonly late: boolean;

  constructor(message: string, late = false) {
    super(message);
    this.late = late;
  }
}

/** How many tasks a process has at most: the one it works on, and one ahead, so that it never waits for this process. */
const depth = 2;
/** Heartbeats that a process may miss before its first answer: it loads ONNX Runtime and opens models meanwhile. */
const startPatience = 30;
/** A process that misses more heartbeats than this gets no new task, and does not count as ready. */
const doubt = 2;

interface Job<Task, Result> {
  readonly task: Task;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
  /** Whether nobody waits for it any more. */
  readonly abandoned: () => boolean;
}

/** A place for a process: empty while its next one is about to be started. */
interface Slot<Task, Result> {
  child: ChildProcess | null;
  ready: boolean;
  /** In the order in which the process does them. */
  readonly jobs: Map<number, Job<Task, Result>>;
  /** Heartbeats without an answer. */
  missed: number;
  beaten: boolean;
  /** Ends in a row without a successful probe between. */
  failures: number;
  /** When a task last succeeded. */
  proved: number;
  /** Why it was ended by this process. */
  reason: string | null;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Starts processes and replaces each that ends, hangs or cannot do its probe: at once when it had worked, else after a
 * delay that doubles up to four seconds.
 */
export function supervise<Task, Result>(options: SupervisorOptions<Task>): Supervisor<Task, Result> {
  const { filename, count, env, execArgv, probe, beatInterval, probeInterval, patience, onEnd } = options;
  const slots = Array.from({ length: count }, (): Slot<Task, Result> => ({
    child: null,
    ready: false,
    jobs: new Map(),
    missed: 0,
    beaten: false,
    failures: 0,
    proved: 0,
    reason: null,
    timer: undefined,
  }));
  /** Tasks that no process has. */
  const waiting: Job<Task, Result>[] = [];
  let ids = 0;
  let closing = false;
  /** Why no process works, where one has said so. */
  let trouble: TaskFailed | null = null;
  const { promise: started, resolve: allStarted, reject: notStarted } = withResolvers<void>();

  const isReady = ({ ready, missed }: Slot<Task, Result>): boolean => ready && missed <= doubt;

  function start(slot: Slot<Task, Result>): void {
    slot.missed = 0;
    slot.beaten = false;
    slot.reason = null;
    let child: ChildProcess;
    try {
      child = fork(filename, [], {
        serialization: 'advanced',
        // standard output is this process's own: a worker may not write between its lines
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        env: env as NodeJS.ProcessEnv,
        ...(execArgv && { execArgv: [...execArgv] }),
      });
    } catch (error) {
      failed(slot, error as Error);
      return;
    }
    slot.child = child;
    const over = (error: Error): void => {
      if (slot.child === child) failed(slot, error);
    };
    child.on('message', (message) => {
      if (slot.child === child) heard(slot, message as FromProcess<Result>);
    });
    // an end that was never a start, as without free descriptors
    child.on('error', over);
    child.once('exit', (code, signal) =>
      over(new Error(slot.reason ?? `worker ${child.pid} ended with ${signal ?? `status ${code}`}`)),
    );
    child.once('disconnect', () => child.kill('SIGKILL'));
    give(slot, probeOf(slot));
  }

  const probeTask = (): Task => (typeof probe === 'function' ? (probe as () => Task)() : probe);

  function probeOf(slot: Slot<Task, Result>): Job<Task, Result> {
    return {
      task: probeTask(),
      abandoned: () => true,
      resolve() {
        slot.ready = true;
        slot.failures = 0;
        trouble = null;
        if (slots.every(({ ready }) => ready)) allStarted();
      },
      reject(error) {
        if (!(error instanceof TaskFailed)) return;
        end(slot, error.message);
        slot.ready = false;
        notStarted(error);
        if (slots.some(isReady)) return;
        trouble = error;
        for (const job of waiting.splice(0)) job.reject(error);
      },
    };
  }

  /** The process of a slot is no more. */
  function failed(slot: Slot<Task, Result>, error: Error): void {
    const [current, ...later] = slot.jobs.values();
    slot.jobs.clear();
    slot.child = null;
    if (!slot.ready) slot.failures++;
    slot.ready = false;
    current?.reject(error);
    // what it had not begun, another one may do
    waiting.unshift(...later.filter((job) => !job.abandoned()));
    if (closing) return;
    onEnd(error);
    if (slot.failures >= 3) notStarted(error);
    const delay = slot.failures === 0 ? 0 : Math.min(4000, 125 * 2 ** slot.failures);
    slot.timer = setTimeout(() => start(slot), delay);
    place();
  }

  function end(slot: Slot<Task, Result>, reason: string): void {
    slot.reason = reason;
    slot.child?.kill('SIGKILL');
  }

  function give(slot: Slot<Task, Result>, job: Job<Task, Result>): void {
    const id = ids++;
    slot.jobs.set(id, job);
    post(slot, { id, task: job.task });
  }

  /** Where the process has gone, its `exit` says so; a message that it does not get needs no handling of its own. */
  function post({ child }: Slot<Task, Result>, message: ToProcess<Task>): void {
    if (child?.connected) child.send(message, () => {});
  }

  function place(): void {
    while (waiting.length > 0) {
      const [slot] = slots
        .filter((one) => isReady(one) && one.jobs.size < depth)
        .toSorted((a, b) => a.jobs.size - b.jobs.size);
      if (!slot) return;
      give(slot, waiting.shift()!);
    }
  }

  function heard(slot: Slot<Task, Result>, message: FromProcess<Result>): void {
    slot.missed = 0;
    slot.beaten = false;
    if (!('id' in message)) return place();
    const job = slot.jobs.get(message.id);
    slot.jobs.delete(message.id);
    if ('error' in message) job?.reject(new TaskFailed(message.error, message.late));
    else {
      slot.proved = performance.now();
      job?.resolve(message.result);
    }
    place();
  }

  // Missed answers are counted, not time: after this process itself has slept, every answer is late, and none is lost.
  const beats = setInterval(() => {
    for (const slot of slots) {
      if (!slot.child) continue;
      if (slot.beaten) slot.missed++;
      const [current] = slot.jobs.values();
      const limit = slot.ready ? patience(current?.task ?? probeTask()) : startPatience;
      if (slot.missed > limit) {
        end(
          slot,
          `worker ${slot.child.pid} answered no heartbeat for ${(slot.missed * beatInterval) / 1000} s`,
        );
        continue;
      }
      slot.beaten = true;
      post(slot, { beat: true });
      if (isReady(slot) && !current && performance.now() - slot.proved > probeInterval)
        give(slot, probeOf(slot));
    }
  }, beatInterval);

  for (const slot of slots) start(slot);
  return {
    started,
    run: (task, signal) =>
      new Promise((resolve, reject) => {
        if (trouble && !slots.some(isReady)) return reject(trouble);
        const settle =
          <T>(then: (value: T) => void) =>
          (value: T): void => {
            signal.removeEventListener('abort', stop);
            then(value);
          };
        const job: Job<Task, Result> = {
          task,
          resolve: settle(resolve),
          reject: settle(reject),
          abandoned: () => signal.aborted,
        };
        const stop = (): void => {
          const at = waiting.indexOf(job);
          if (at >= 0) waiting.splice(at, 1);
          // one that is not begun is done and thrown away
          const slot = slots.find(({ jobs }) => jobs.values().next().value === job);
          if (slot) end(slot, `worker ${slot.child?.pid} took too long`);
          reject(new Error('it took too long'));
        };
        signal.addEventListener('abort', stop);
        waiting.push(job);
        place();
      }),
    ready: () => slots.filter(isReady).length,
    pids: () => slots.flatMap(({ child }) => child?.pid ?? []),
    async close() {
      closing = true;
      clearInterval(beats);
      const ends = slots.map(async ({ child, timer }) => {
        clearTimeout(timer);
        if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return;
        const exit = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGKILL');
        await exit;
      });
      for (const job of waiting.splice(0)) job.reject(new Error('the server ends'));
      // a process that cannot even be killed does not keep this one
      const { promise: late, resolve } = withResolvers<void>();
      const timer = setTimeout(resolve, 2000);
      await Promise.race([Promise.all(ends), late]);
      clearTimeout(timer);
    },
  };
}

function withResolvers<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
}
