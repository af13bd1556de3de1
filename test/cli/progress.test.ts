import { Writable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { createProgress, type ProgressReporter } from '../../src/cli/progress.ts';

const TITLE = 'C1 epoch 1/2';

interface Harness {
  readonly progress: ProgressReporter;
  /** Everything written so far. */
  readonly text: () => string;
  /** The complete lines written so far. */
  readonly lines: () => string[];
  /** Lets the clock run. */
  readonly wait: (seconds: number) => void;
}

const open: ProgressReporter[] = [];

// A bar redraws itself on a timer until it is done.
afterEach(() => {
  for (const progress of open.splice(0)) progress.done();
});

function harness({ isTTY, columns = 80 }: { isTTY: boolean; columns?: number }): Harness {
  let text = '';
  let time = 5_000;
  const sink = new Writable({
    write(chunk: Buffer, _encoding, written) {
      text += chunk.toString();
      written();
    },
  });
  const stream = Object.assign(sink, { isTTY, columns }) as unknown as NodeJS.WriteStream;
  const progress = createProgress(stream, () => time);
  open.push(progress);
  return {
    progress,
    text: () => text,
    lines: () => text.split('\n').slice(0, -1),
    wait: (seconds) => void (time += 1000 * seconds),
  };
}

describe('progress that is not on a terminal', () => {
  const start = (): Harness => harness({ isTTY: false });

  it('writes title, percentage, images, speed, time left and note', () => {
    const { progress, lines, wait } = start();
    progress.update({ title: TITLE, done: 0, total: 60000 });
    wait(5);
    progress.update({ title: TITLE, done: 20400, total: 60000, note: 'loss 0.123' });
    expect(lines()).toEqual([
      `${TITLE}  0 %  0/60000 images`,
      `${TITLE}  34 %  20400/60000 images  4080 images/s  10 s left  loss 0.123`,
    ]);
  });

  it('writes at most one line every two seconds', () => {
    const { progress, lines, wait } = start();
    for (let done = 0; done <= 100; done += 1) {
      progress.update({ title: TITLE, done, total: 1000 });
      wait(0.1);
    }
    expect(lines().map((line) => line.match(/(\d+)\/1000/)?.[1])).toEqual([
      '0',
      '20',
      '40',
      '60',
      '80',
      '100',
    ]);
  });

  it('writes the last line of a task when it is done, with the note given there', () => {
    const { progress, lines, wait } = start();
    progress.update({ title: TITLE, done: 0, total: 100 });
    wait(1);
    progress.update({ title: TITLE, done: 100, total: 100, note: 'loss 0.5' });
    expect(lines()).toHaveLength(1);
    progress.done('accuracy 98.7 %');
    expect(lines()[1]).toBe(`${TITLE}  100 %  100/100 images  100 images/s  took 1 s  accuracy 98.7 %`);
  });

  it('does not write the same state twice', () => {
    const { progress, lines } = start();
    progress.update({ title: TITLE, done: 100, total: 100 });
    progress.done();
    progress.done();
    expect(lines()).toEqual([`${TITLE}  100 %  100/100 images`]);
  });

  it('says how long a task took, also when its last state was due to be written anyway', () => {
    const { progress, lines, wait } = start();
    progress.update({ title: TITLE, done: 0, total: 100 });
    wait(3);
    progress.update({ title: TITLE, done: 100, total: 100 });
    progress.done();
    expect(lines()[1]).toBe(`${TITLE}  100 %  100/100 images  33 images/s  took 3 s`);
    expect(lines()).toHaveLength(2);
  });

  it('says how long a task took that ends early, right after a line', () => {
    const { progress, lines, wait } = start();
    progress.update({ title: TITLE, done: 0, total: 100 });
    wait(3);
    progress.update({ title: TITLE, done: 60, total: 100 });
    progress.done();
    expect(lines().at(-1)).toBe(`${TITLE}  60 %  60/100 images  20 images/s  took 3 s`);
  });

  it('ends a line with the place of the task in all the work, and how long that takes', () => {
    const { progress, lines, wait } = start();
    const overall = { step: 3, steps: 6 };
    for (const left of [undefined, 4, 59, 100, 3700]) {
      progress.update({ title: TITLE, done: 1, total: 9, note: 'loss 1', overall: { ...overall, left } });
      wait(2);
    }
    expect(lines().map((line) => line.split('  loss 1  ')[1])).toEqual([
      'step 3 of 6',
      'step 3 of 6, about 10 s left in all',
      'step 3 of 6, about 60 s left in all',
      'step 3 of 6, about 2 min left in all',
      'step 3 of 6, about 1 h 02 min left in all',
    ]);
    progress.done();
    expect(lines().at(-1)).not.toContain('in all');
  });

  it('finishes a task when another title begins', () => {
    const { progress, lines, wait } = start();
    progress.update({ title: 'first', done: 0, total: 10 });
    wait(1);
    progress.update({ title: 'first', done: 10, total: 10 });
    progress.update({ title: 'second', done: 0, total: 10 });
    expect(lines()).toEqual([
      'first  0 %  0/10 images',
      'first  100 %  10/10 images  10 images/s  took 1 s',
      'second  0 %  0/10 images',
    ]);
  });

  it('begins a task anew when it falls back to fewer images', () => {
    const { progress, lines, wait } = start();
    progress.update({ title: 'test', done: 10, total: 10 });
    wait(1);
    progress.update({ title: 'test', done: 0, total: 10 });
    expect(lines()).toEqual(['test  100 %  10/10 images', 'test  0 %  0/10 images']);
  });

  it('does not count what was done before a task was resumed', () => {
    const { progress, lines, wait } = start();
    progress.update({ title: TITLE, done: 50000, total: 60000 });
    wait(2);
    progress.update({ title: TITLE, done: 50200, total: 60000 });
    expect(lines()).toEqual([
      `${TITLE}  83 %  50000/60000 images`,
      `${TITLE}  83 %  50200/60000 images  100 images/s  1 min 38 s left`,
    ]);
  });

  it('measures speed over the last ten seconds, not since the start', () => {
    const { progress, lines, wait } = start();
    progress.update({ title: TITLE, done: 0, total: 100000 });
    for (let second = 1; second <= 20; second += 1) {
      wait(1);
      progress.update({
        title: TITLE,
        done: second <= 10 ? second : 10 + 1000 * (second - 10),
        total: 100000,
      });
    }
    expect(lines().at(-1)).toContain('  1000 images/s  ');
  });

  it('measures speed between the last two updates when they are further apart than the window', () => {
    const { progress, lines, wait } = start();
    for (const done of [0, 10, 110]) {
      progress.update({ title: TITLE, done, total: 200 });
      wait(20);
    }
    expect(lines().at(-1)).toContain('  5.0 images/s  18 s left');
  });

  it('writes long times in hours and minutes', () => {
    const { progress, lines, wait } = start();
    progress.update({ title: TITLE, done: 0, total: 7385 });
    wait(5);
    progress.update({ title: TITLE, done: 5, total: 7385 });
    expect(lines().at(-1)).toContain('2 h 03 min left');
  });

  it('writes a log line as it is', () => {
    const { progress, text } = start();
    progress.log('saved a checkpoint');
    expect(text()).toBe('saved a checkpoint\n');
  });
});

describe('progress on a terminal', () => {
  const ESCAPE = '\u001b';
  const ERASED = `${ESCAPE}[2K`;

  it('draws a bar with title, percentage, speed, time left and note', () => {
    const { progress, text, wait } = harness({ isTTY: true });
    progress.update({ title: TITLE, done: 0, total: 60000 });
    wait(5);
    progress.update({ title: TITLE, done: 20400, total: 60000, note: 'loss 0.123' });
    progress.done();
    expect(text()).toMatch(/C1 epoch 1\/2 {2}█+░+ {3}34 % {2}4080 images\/s {2}10 s left {2}loss 0\.123/);
  });

  it('leaves a summary in the place of a finished bar', () => {
    const { progress, lines, wait } = harness({ isTTY: true });
    progress.update({ title: 'first', done: 0, total: 10 });
    wait(1);
    progress.update({ title: 'first', done: 10, total: 10 });
    progress.update({ title: 'second', done: 0, total: 10 });
    expect(lines()).toHaveLength(1);
    expect(lines()[0]?.split(ERASED)[1]).toBe('first  100 %  10/10 images  10 images/s  took 1 s');
  });

  it('writes a log line above the bar and draws the bar again', () => {
    const { progress, text } = harness({ isTTY: true });
    progress.update({ title: TITLE, done: 0, total: 10 });
    progress.log('saved a checkpoint');
    const [above, below] = text().split(`${ERASED}saved a checkpoint\n`);
    expect(above).toContain(TITLE);
    expect(below).toContain(TITLE);
  });

  it('writes a log line without a bar when no task runs', () => {
    const { progress, text } = harness({ isTTY: true });
    progress.log('saved a checkpoint');
    expect(text()).toBe('saved a checkpoint\n');
  });

  it.each([60, 80, 200])('keeps the bar within %i columns', (columns) => {
    const { progress, text } = harness({ isTTY: true, columns });
    progress.update({ title: TITLE, done: 5, total: 10, note: 'loss 0.123' });
    expect(stripVTControlCharacters(text()).length).toBeLessThan(columns);
    expect(text()).toContain('loss 0.123');
  });

  it.each([44, 60, 80, 100, 200])('keeps bar, place and summary within %i columns', (columns) => {
    const { progress, text, lines, wait } = harness({ isTTY: true, columns });
    const overall = { step: 3, steps: 6, left: 100 };
    progress.update({ title: TITLE, done: 0, total: 60000, note: 'loss 0.123', overall });
    wait(3);
    progress.update({ title: TITLE, done: 30000, total: 60000, note: 'loss 0.123', overall });
    const drawn = text()
      .split(ERASED)
      .map((line) => stripVTControlCharacters(line).trim());
    progress.done();
    for (const line of [...drawn, stripVTControlCharacters(lines()[0]!.split(ERASED).at(-1)!)]) {
      expect(line.length).toBeLessThan(columns);
    }
    expect(text().includes('about 2 min left in all')).toBe(columns >= 80);
    expect(lines()[0]).toContain('took 3 s');
  });

  it('writes nothing over what is printed after it is done', async () => {
    const { progress, text } = harness({ isTTY: true });
    progress.update({ title: TITLE, done: 5, total: 10 });
    progress.done();
    const before = text();
    await new Promise((resolve) => setTimeout(resolve, 300));
    progress.done();
    expect(text()).toBe(before);
    expect(before.endsWith('\n')).toBe(true);
  });

  it('writes no colours', () => {
    const { progress, text } = harness({ isTTY: true });
    progress.update({ title: TITLE, done: 5, total: 10 });
    progress.done();
    expect(
      text()
        .split(ESCAPE)
        .filter((sequence) => /^\[[\d;]*m/.test(sequence)),
    ).toEqual([]);
  });
});
