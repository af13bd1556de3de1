import { appendFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { journalPath, kept, openJournal } from '../../../src/runtime/experiment/journal.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-journal-'));
  path = join(folder, 'journal.jsonl');
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** Drives work of two steps that gives `value`; counts its runs. */
const working = (value: number) => {
  const state = { runs: 0 };
  const work = async function* () {
    state.runs++;
    yield await Promise.resolve('half');
    return value;
  };
  return { state, work };
};

async function driven<T>(generator: AsyncGenerator<unknown, T>): Promise<T> {
  for (;;) {
    const next = await generator.next();
    if (next.done) return next.value;
  }
}

describe('a journal', () => {
  it('gives a finished part back, and its work is not done again', async () => {
    const { state, work } = working(3);
    expect(await driven(kept(await openJournal(path), 'a', z.number(), work))).toBe(3);
    const again = await openJournal(path);
    expect(again.count()).toBe(1);
    expect(await driven(kept(again, 'a', z.number(), work))).toBe(3);
    expect(state.runs).toBe(1);
  });

  it('does the work again where a part is of another form', async () => {
    await (await openJournal(path)).keep('a', 'text');
    const { state, work } = working(3);
    expect(await driven(kept(await openJournal(path), 'a', z.number(), work))).toBe(3);
    expect(state.runs).toBe(1);
  });

  it('loses only the line that a kill cut off, and none that comes after', async () => {
    await (await openJournal(path)).keep('a', 1);
    await appendFile(path, '{"part":"b","val');
    const journal = await openJournal(path);
    expect(journal.find('a', z.number())).toBe(1);
    expect(journal.find('b', z.number())).toBeUndefined();
    await journal.keep('c', 3);
    const again = await openJournal(path);
    expect([again.find('a', z.number()), again.find('c', z.number())]).toEqual([1, 3]);
  });

  it('goes on without the file when that cannot be written, and says why', async () => {
    await mkdir(path);
    const journal = await openJournal(path);
    const { work } = working(3);
    expect(await driven(kept(journal, 'a', z.number(), work))).toBe(3);
    expect(journal.failure()).toBe(`cannot write ${path}: it is a folder, not a file; check the path`);
  });

  it('is gone when it is removed, and removing it twice is no error', async () => {
    const journal = await openJournal(path);
    await journal.keep('a', 1);
    await journal.remove();
    await journal.remove();
    await expect(readFile(path)).rejects.toThrow('ENOENT');
  });

  it('has another path for other settings', () => {
    expect(journalPath(folder, { steps: 40 })).toBe(journalPath(folder, { steps: 40 }));
    expect(journalPath(folder, { steps: 40 })).not.toBe(journalPath(folder, { steps: 41 }));
  });
});
