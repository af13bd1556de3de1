import cliProgress from 'cli-progress';

/** How far a task has come. */
export interface ProgressTask {
  /** What is being done, for example `C1 epoch 1/2`; another title begins another task. */
  readonly title: string;
  /** Images done so far, 0 to `total`; a resumed task begins above 0. */
  readonly done: number;
  /** Images to do in all. */
  readonly total: number;
  /** A word on the state of the task, for example `loss 0.123`. */
  readonly note?: string;
  /** Where the task stands among all of the work. */
  readonly overall?: Overall | undefined;
}

/** The place of a task in longer work. */
export interface Overall {
  /** From 1. */
  readonly step: number;
  readonly steps: number;
  /** Seconds until all steps are done; undefined while nobody knows. */
  readonly left: number | undefined;
}

/** Tells a person how far a run has come. */
export interface ProgressReporter {
  /** Shows a task. Another title, or fewer images than before, finishes the task before and begins a new one. */
  update(task: ProgressTask): void;
  /**
   * Finishes the task, with another note if one is given. Call it before anything else is printed, and on failure: a bar
   * on a terminal overwrites what is printed below it, and keeps Node alive.
   */
  done(note?: string): void;
  /** Writes a line that stays, above the bar if there is one. */
  log(line: string): void;
}

/** A task as it is shown. */
interface Snapshot extends ProgressTask {
  /** Images per second over the last seconds; undefined until there are two points in time. */
  readonly rate: number | undefined;
  /** Seconds from the first update of the task to the last. */
  readonly seconds: number;
}

/** Where snapshots go: a bar on a terminal, lines elsewhere. */
interface Display {
  show(snapshot: Snapshot): void;
  finish(snapshot: Snapshot): void;
  log(line: string): void;
}

const LINE_INTERVAL = 2000; // milliseconds, as is the window
const RATE_WINDOW = 10_000;
const GAP = '  ';
const BAR_SIZE = { least: 8, most: 40 };

/**
 * Reports progress on a stream: a bar when it is a terminal, otherwise plain lines, at most one every two seconds plus
 * the first and the last of each task. Images per second are measured over the last ten seconds, and images done
 * before the first update of a task do not count. No colours are written, with or without `NO_COLOR`.
 *
 * @param stream usually `process.stderr`, so that standard output holds results alone.
 * @param now a clock in milliseconds that never goes back.
 */
export function createProgress(
  stream: NodeJS.WriteStream,
  now: () => number = () => performance.now(),
): ProgressReporter {
  const display = stream.isTTY ? barDisplay(stream) : lineDisplay(stream, now);
  let task: { snapshot: Snapshot; readonly meter: Meter } | undefined;

  const finish = (note?: string): void => {
    if (task) display.finish(note === undefined ? task.snapshot : { ...task.snapshot, note });
    task = undefined;
  };

  return {
    update(next) {
      if (task && (next.title !== task.snapshot.title || next.done < task.snapshot.done)) finish();
      const meter = task?.meter ?? createMeter();
      task = { meter, snapshot: { ...next, ...meter(now(), next.done) } };
      display.show(task.snapshot);
    },
    done: finish,
    log: (line) => display.log(line),
  };
}

type Meter = (time: number, done: number) => Pick<Snapshot, 'rate' | 'seconds'>;

/** Measures speed over a recent window, so that a slow start or a pause is soon forgotten. */
function createMeter(): Meter {
  const points: { readonly time: number; readonly done: number }[] = [];
  let start: number | undefined;
  return (time, done) => {
    start ??= time;
    points.push({ time, done });
    // The newest point before the window stays: it is where the window begins, however far apart updates are.
    while (points.length > 2 && points[1]!.time <= time - RATE_WINDOW) points.shift();
    const [first] = points;
    const rate = first && time > first.time ? (1000 * (done - first.done)) / (time - first.time) : undefined;
    return { rate, seconds: (time - start) / 1000 };
  };
}

function lineDisplay(stream: NodeJS.WriteStream, now: () => number): Display {
  let written: { readonly text: string; readonly time: number } | undefined;
  const write = (text: string): void => {
    if (text !== written?.text) stream.write(`${text}\n`);
    written = { text, time: now() };
  };
  return {
    show(snapshot) {
      // the last state is told by the summary, which says how long it took
      const isLast = snapshot.done >= snapshot.total;
      const due = !written || now() - written.time >= LINE_INTERVAL;
      if (due && !isLast) write(describe(snapshot, [timeLeft(snapshot), snapshot.note, overall(snapshot)]));
    },
    finish(snapshot) {
      write(summarize(snapshot));
      written = undefined;
    },
    log: (line) => void stream.write(`${line}\n`),
  };
}

/** The bar itself goes when its task is finished; a summary in its place stays. */
function barDisplay(stream: NodeJS.WriteStream): Display {
  let shown: Snapshot | undefined;
  const bar = new cliProgress.SingleBar(
    {
      stream,
      barsize: BAR_SIZE.most,
      clearOnComplete: true,
      linewrap: true, // cli-progress then cuts the text to the width and leaves the terminal's own setting alone
      format: (options, params) => (shown ? drawBar(shown, options, params) : ''),
    },
    cliProgress.Presets.shades_classic,
  );
  const show = (snapshot: Snapshot): void => {
    shown = snapshot;
    if (!bar.isActive) return bar.start(snapshot.total, snapshot.done);
    bar.setTotal(snapshot.total);
    bar.update(snapshot.done);
  };
  return {
    show,
    finish(snapshot) {
      bar.stop();
      shown = undefined;
      stream.write(`${summarize(snapshot, (stream.columns || Infinity) - 1)}\n`);
    },
    log(line) {
      bar.stop();
      stream.write(`${line}\n`);
      if (shown) show(shown);
    },
  };
}

function drawBar(snapshot: Snapshot, options: cliProgress.Options, params: cliProgress.Params): string {
  const { title, note } = snapshot;
  const percent = percentage(snapshot).padStart(5);
  // The last column stays free: a cursor there would take a character with it.
  const most = params.maxWidth - title.length - BAR_SIZE.least - 2 * GAP.length - 1;
  const state = fitted(
    [percent, speed(snapshot), timeLeft(snapshot), note, overall(snapshot)],
    [1, 3, 2, 4],
    most,
  );
  const room = most - state.length + BAR_SIZE.least;
  const barsize = Math.max(BAR_SIZE.least, Math.min(room, BAR_SIZE.most));
  return join([title, cliProgress.Format.BarFormat(params.progress, { ...options, barsize }), state]);
}

function summarize(snapshot: Snapshot, columns = Infinity): string {
  const took = snapshot.seconds > 0 ? `took ${duration(snapshot.seconds)}` : undefined;
  return describe(snapshot, [took, snapshot.note], columns);
}

function describe(snapshot: Snapshot, more: readonly (string | undefined)[], columns = Infinity): string {
  const images = `${snapshot.done}/${snapshot.total} images`;
  const parts = [snapshot.title, percentage(snapshot), images, speed(snapshot), ...more];
  return fitted(parts, [3, 2, 5, 4], columns);
}

/** The parts that fit within some columns: of those that may be left out, by index, as many as have to be are. */
function fitted(
  parts: readonly (string | undefined)[],
  optional: readonly number[],
  columns: number,
): string {
  const drop = optional.findIndex((_, n) => join(without(parts, optional.slice(0, n))).length <= columns);
  return join(without(parts, drop === -1 ? optional : optional.slice(0, drop)));
}

const without = (parts: readonly (string | undefined)[], dropped: readonly number[]) =>
  parts.filter((_, i) => !dropped.includes(i));

function join(parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined).join(GAP);
}

function overall({ overall: all }: Snapshot): string | undefined {
  if (!all || all.steps === 1) return undefined;
  const step = `step ${all.step} of ${all.steps}`;
  return all.left === undefined ? step : `${step}, about ${roughly(all.left)} left in all`;
}

/** A time that is only estimated, in one unit, or two. */
function roughly(seconds: number): string {
  if (seconds < 60) return `${Math.max(10, 10 * Math.ceil(seconds / 10))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60
    ? `${minutes} min`
    : `${Math.floor(minutes / 60)} h ${`${minutes % 60}`.padStart(2, '0')} min`;
}

function percentage({ done, total }: Snapshot): string {
  return `${total > 0 ? Math.floor((100 * done) / total) : 100} %`;
}

function speed({ rate }: Snapshot): string | undefined {
  return rate === undefined ? undefined : `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} images/s`;
}

function timeLeft({ done, total, rate }: Snapshot): string | undefined {
  return rate ? `${duration((total - done) / rate)} left` : undefined;
}

function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  const padded = (value: number): string => `${Math.floor(value)}`.padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${padded(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${padded((whole % 3600) / 60)} min`;
}
