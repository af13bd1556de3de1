import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { emitGraphs } from '../../scripts/emit.ts';

const folder = new URL('../../graphs/', import.meta.url);
const emitted = emitGraphs();

describe('graphs/', () => {
  test('holds the emitted files and no others', async () => {
    expect((await readdir(folder)).toSorted()).toEqual([...emitted.keys()].toSorted());
  });

  test.for([...emitted])('%s is what the models give (else: pnpm graphs)', async ([file, bytes]) => {
    expect((await readFile(new URL(file, folder))).equals(bytes)).toBe(true);
  });

  test('the same models give the same bytes again', () => {
    expect(emitGraphs()).toEqual(emitted);
  });
});
