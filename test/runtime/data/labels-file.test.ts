import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readLabelsFile } from '../../../src/runtime/data/labels-file.ts';
import { inputFailure } from '../../support/failure.ts';
import { temporaryFolder } from '../../support/folder.ts';

const folder = temporaryFolder();

async function written(name: string, text: string): Promise<string> {
  const path = join(folder(), name);
  await writeFile(path, text);
  return path;
}

const expected = [
  { file: 'a.png', label: 'cat' },
  { file: 'b/c, d.png', label: '7' },
];

describe('a file of labels', () => {
  it.each([
    ['CSV', 'a.csv', 'a.png,cat\n"b/c, d.png",7\n'],
    [
      'CSV with a heading, from a spreadsheet',
      'a.csv',
      '\uFEFFFile, Label\r\na.png,cat\r\n"b/c, d.png",7\r\n',
    ],
    ['CSV with other columns', 'a.csv', 'id,label,file\n1,cat,a.png\n2,7,"b/c, d.png"\n'],
    ['JSON by file', 'a.json', '{ "a.png": "cat", "b/c, d.png": 7 }'],
    ['JSON as a list', 'a.json', '[{"file":"a.png","label":"cat"},{"file":"b/c, d.png","label":7}]'],
  ])('may be %s', async (_, name, text) => {
    expect(await readLabelsFile(await written(name, text))).toEqual(expected);
  });

  it.each([
    ['is empty', 'a.csv', '\n', 'names no file; at least one is needed'],
    [
      'has a line without a label',
      'a.csv',
      'a.png,cat\nb.png\n',
      'each line must hold a file and its label, got b.png; correct it',
    ],
    ['has an open quote', 'a.csv', '"a.png,cat\n', 'is not CSV'],
    [
      'calls its columns otherwise',
      'a.csv',
      'filename,class\na.png,cat\n',
      'the columns are called filename,class; call them file and label',
    ],
    ['has a file twice', 'a.csv', 'a.png,cat\na.png,dog\n', 'has a.png twice; remove one of the two'],
    ['ends in the middle', 'a.json', '{ "a.png": ', 'is not JSON'],
    ['is other JSON', 'a.json', '["a.png"]', 'must be { "a.png": "cat" }'],
    ['has a label that is no class', 'a.json', '{ "a.png": 0.5 }', 'must be { "a.png": "cat" }'],
  ])('is rejected that %s', async (_, name, text, problem) => {
    const path = await written(name, text);
    const message = await inputFailure(readLabelsFile(path));
    expect(message).toContain(`${path}: `);
    expect(message).toContain(problem);
  });

  it('is rejected that is not there', async () => {
    const path = join(folder(), 'a.csv');
    expect(await inputFailure(readLabelsFile(path))).toBe(
      `cannot read ${path}: no such file or folder; check the path`,
    );
  });
});
