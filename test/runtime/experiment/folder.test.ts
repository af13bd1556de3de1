import { lstat, mkdir, mkdtemp, readdir, readlink, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  beginRun,
  createRun,
  finishRun,
  reserveFolder,
  runFolder,
} from '../../../src/runtime/experiment/folder.ts';
import type { RunConfig } from '../../../src/runtime/experiment/config.ts';
import { smallRun } from '../../support/configs.ts';

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'sparring-run-')));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const config = smallRun;
const limits = [{ trainLimit: 10 }, { testLimit: 10 }];
const inRuns = (name: string): string => join(folder, 'runs', name);

/** A run that has just been finished; gives what finishRun says of the link. */
async function finished(name: string, of: RunConfig): Promise<string | null> {
  const run = await createRun(inRuns(name), of);
  return await finishRun(run, of);
}

describe('a run folder', () => {
  it('may be there already, when it is empty', async () => {
    await mkdir(inRuns('a'), { recursive: true });
    const { lock } = await beginRun(inRuns('a'), config);
    expect(await readdir(inRuns('a'))).toEqual(['config.json', 'run.lock']);
    await lock.release();
  });

  it('is not taken when something is in it', async () => {
    await mkdir(inRuns('a'), { recursive: true });
    await writeFile(join(inRuns('a'), 'thesis.tex'), '');
    await expect(beginRun(inRuns('a'), config)).rejects.toThrow(
      'exists and is not a run; choose another --out',
    );
    expect(await readdir(inRuns('a'))).toEqual(['thesis.tex']);
  });

  it('is begun by one of many at once', async () => {
    const tries = await Promise.allSettled(Array.from({ length: 5 }, () => beginRun(inRuns('a'), config)));
    const begun = tries.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const reasons = tries.flatMap((each) => (each.status === 'rejected' ? [String(each.reason)] : []));
    expect(begun).toHaveLength(1);
    const refused = /is in use by process|exists; choose another --out/;
    expect(reasons.filter((reason) => !refused.test(reason))).toEqual([]);
    await begun[0]!.lock.release();
    expect(await readdir(inRuns('a'))).toEqual(['config.json']);
  });

  it('gets a name of its own, when many are begun in the same second', async () => {
    const names = await Promise.all(Array.from({ length: 4 }, () => reserveFolder(inRuns('now'))));
    expect(names.toSorted()).toEqual([inRuns('now'), ...[2, 3, 4].map((i) => `${inRuns('now')}-${i}`)]);
  });
});

describe.skipIf(process.platform === 'win32')('runs/latest', () => {
  it('leads to the last finished run', async () => {
    expect(await finished('a', config)).toBe(null);
    expect(await finished('b', config)).toBe(null);
    expect(await readlink(inRuns('latest'))).toBe('b');
  });

  it.each(limits)('does not leave a run on all the data for one on part of it: %j', async (limit) => {
    const limited = { ...config, ...limit };
    await finished('whole', config);
    expect(await finished('small', limited)).toMatch(
      /runs\/latest still leads to whole, a run on all the data$/,
    );
    expect(await readlink(inRuns('latest'))).toBe('whole');
  });

  it.each(limits)('leads to a run on part of the data while there is no other: %j', async (limit) => {
    const limited = { ...config, ...limit };
    expect(await finished('small', limited)).toBe(null);
    expect(await finished('smaller', limited)).toBe(null);
    expect(await readlink(inRuns('latest'))).toBe('smaller');
    await finished('whole', config);
    expect(await readlink(inRuns('latest'))).toBe('whole');
  });

  it('may be a real folder: the run is finished all the same', async () => {
    await mkdir(inRuns('latest'), { recursive: true });
    await writeFile(join(inRuns('latest'), 'note'), '');
    expect(await finished('a', config)).toMatch(
      /runs\/latest is not a link, so it does not lead to this run/,
    );
    expect((await lstat(inRuns('latest'))).isDirectory()).toBe(true);
    expect(await readdir(join(folder, 'runs'))).toEqual(['a', 'latest']);
  });

  it('may be impossible: the run is finished all the same', async () => {
    await createRun(inRuns('a'), config);
    // as where there are no links, the link cannot be made: its folder is gone
    await rm(join(folder, 'runs'), { recursive: true });
    expect(await finishRun(runFolder(inRuns('a')), config)).toMatch(
      /runs\/latest does not lead to this run: no such/,
    );
  });
});
