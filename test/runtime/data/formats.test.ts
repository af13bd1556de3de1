import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectedData, formats, loadDataset } from '../../../src/runtime/data/formats.ts';
import { inputFailure } from '../../support/failure.ts';
import { examples, writeIdxFolder } from '../../support/idx.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-formats-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe('the formats of data sets', () => {
  it('leave alone what is none of theirs', async () => {
    await writeFile(join(folder, 'notes.txt'), 'no data');
    for (const { open } of Object.values(formats)) expect(await open(folder)).toBeNull();
    expect(await inputFailure(loadDataset(folder))).toBe(
      `${folder} holds no data set of a known format; expected ${expectedData}`,
    );
  });

  it('are named, each of them, where there is nothing to read', async () => {
    const message = await inputFailure(loadDataset(join(folder, 'nothing')));
    for (const { expects } of Object.values(formats)) expect(message).toContain(expects);
  });

  it('are told by the content of a folder, not by its name', async () => {
    const path = join(folder, 'mnist');
    await mkdir(path);
    await writeIdxFolder(path, { train: examples(12), test: examples(11) });
    expect(await formats.mnist.open(path)).toBeNull();
    expect((await loadDataset(path)).test.count).toBe(11);
  });
});
