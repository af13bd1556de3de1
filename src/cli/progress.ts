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
}

/** Tells a person how far a run has come. */
export interface ProgressReporter {
  /** Shows a task. Another title, or fewer images than before, finishes the task before and begins a new one. */
  update(task: ProgressTask): void;
  /** Finishes the task, with another note if one is given. Call it on failure too: a bar on a terminal keeps Node alive. */
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
  let written: { readonly snapshot: Snapshot; readonly time: number } | undefined;
  const write = (snapshot: Snapshot, text: string): void => {
    written = { snapshot, time: now() };
    stream.write(`${text}\n`);
  };
  return {
    show(snapshot) {
      const due = !written || now() - written.time >= LINE_INTERVAL;
      if (due) write(snapshot, describe(snapshot, timeLeft(snapshot)));
    },
    finish(snapshot) {
      if (written?.snapshot !== snapshot) write(snapshot, summarize(snapshot));
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
      stream.write(`${summarize(snapshot)}\n`);
    },
    log(line) {
      bar.stop();
      stream.write(`${line}\n`);
      if (shown) show(shown);
    },
  };
}

function drawBar(snapshot: Snapshot, options: cliProgress.Options, params: cliProgress.Params): string {
  const { title } = snapshot;
  const state = join([percentage(snapshot).padStart(5), speed(snapshot), timeLeft(snapshot), snapshot.note]);
  // Two gaps, and the last column stays free: a cursor there would take a character with it.
  const room = params.maxWidth - title.length - state.length - 2 * GAP.length - 1;
  const barsize = Math.max(BAR_SIZE.least, Math.min(room, BAR_SIZE.most));
  return join([title, cliProgress.Format.BarFormat(params.progress, { ...options, barsize }), state]);
}

function summarize(snapshot: Snapshot): string {
  return describe(snapshot, snapshot.seconds > 0 ? `took ${duration(snapshot.seconds)}` : undefined);
}

function describe(snapshot: Snapshot, time: string | undefined): string {
  const images = `${snapshot.done}/${snapshot.total} images`;
  return join([snapshot.title, percentage(snapshot), images, speed(snapshot), time, snapshot.note]);
}

function join(parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined).join(GAP);
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
