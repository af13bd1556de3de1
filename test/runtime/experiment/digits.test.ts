import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadDigits, loadSameDigits } from '../../../src/runtime/experiment/digits.ts';
import { inputFailure as failure } from '../../support/failure.ts';
import { encodeIdx, examples, writeIdxFolder } from '../../support/idx.ts';

const small = { train: examples(30), test: examples(20) };

let folder: string;
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'sparring-digits-')), 'digits');
});
afterEach(async () => {
  await rm(join(folder, '..'), { recursive: true });
});

describe('the data of a run', () => {
  it('is read from where it was, or from where it is now', async () => {
    await writeIdxFolder(folder, small);
    const { sha256 } = await loadDigits(folder);
    const known = { source: folder, sha256 };
    expect((await loadSameDigits('runs/a', known)).sha256).toBe(sha256);
    const moved = join(folder, '..', 'moved');
    await rename(folder, moved);
    expect(await failure(loadSameDigits('runs/a', known))).toMatch(
      /^cannot read the data set .*; if the data of runs\/a has moved, name its folder with --data$/,
    );
    expect(await loadSameDigits('runs/a', known, moved)).toMatchObject({ name: 'moved', sha256 });
  });

  it('is told by its hash, wherever it is', async () => {
    await writeIdxFolder(folder, small);
    const { sha256 } = await loadDigits(folder);
    const known = { source: 'elsewhere', sha256: `0123456789abcdef${sha256.slice(16)}` };
    expect(await failure(loadSameDigits('runs/a', known, folder))).toBe(
      `${folder} is not the data of runs/a: sha256 ${sha256.slice(0, 12)}..., expected 0123456789ab...; ` +
        'restore the original files, or name their folder with --data',
    );
  });
});

describe('the data of the experiment', () => {
  it('has ten classes, whether or not there are images of the last', async () => {
    await writeIdxFolder(folder, { train: examples(5), test: examples(3) });
    const { train, test } = await loadDigits(folder);
    expect([train.count, test.count]).toEqual([5, 3]);
    expect(train.classes).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    expect(test.classes).toEqual(train.classes);
  });

  it('is of 28x28 grey pixels', async () => {
    const images = new Uint8Array(2 * 32 * 32);
    const square = { images, labels: Uint8Array.of(0, 1), height: 32, width: 32 };
    await writeIdxFolder(folder, { train: square, test: square });
    expect(await failure(loadDigits(folder))).toBe(
      `${folder}: the paper's experiment takes images of 1x28x28 (channels x height x width), got 1x32x32; resize them`,
    );
  });

  it('has no further classes', async () => {
    await writeIdxFolder(folder, small);
    await writeFile(join(folder, 't10k-labels-idx1-ubyte'), encodeIdx([20], small.test.labels.with(4, 10)));
    expect(await failure(loadDigits(folder))).toBe(
      `${folder}, test images: labels must be 0..9 for the paper's experiment, got 10 for image 4; relabel it`,
    );
  });
});
