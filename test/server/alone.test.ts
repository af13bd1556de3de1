import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Result } from '../../src/runtime/index.ts';
import { loadCatalogue, type App } from '../../src/server/index.ts';
import { bytesOf } from '../../src/server/catalogue.ts';
import { openCell, type OpenCell } from '../../src/server/inference.ts';
import { attackSchemas, ManifestAnswer } from '../../src/server/schemas.ts';
import { limits, runApp } from '../support/run-app.ts';
import { digitPng, digits, digitShape, untrainedRun } from '../support/server.ts';

// a run whose attacker was trained against a file, with no other file to measure transfer on
let folder: string;
let cell: OpenCell;
let app: App;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-alone-'));
  await untrainedRun(folder, [{ eps: 0.16, clip: true }]);
  const file = join(folder, 'result.json');
  const result = JSON.parse(await readFile(file, 'utf8')) as Result;
  const against = { source: 'mine.onnx', sha256: result.runs[0]!.models.c1 };
  await writeFile(file, JSON.stringify({ ...result, config: { ...result.config, against } }));

  const catalogue = await loadCatalogue(folder);
  const { eps, models } = catalogue.cells[0]!;
  const [c1, attacker] = [await bytesOf(models.c1), await bytesOf(models.attacker)];
  cell = await openCell({ eps, image: digitShape, c1, c2: null, attacker }, 1);
  app = runApp(catalogue, cell);
}, 120_000);
afterAll(async () => {
  await cell.close();
  await rm(folder, { recursive: true });
});

const attacked = async (accept: string) =>
  await app.request('/attack', {
    method: 'POST',
    headers: { 'content-type': 'image/png', accept },
    body: digitPng(digits(1)) as BodyInit,
  });

it('lists no C2, with its scores left out, and has no file of it', async () => {
  const [own] = ManifestAnswer.parse(await (await app.request('/models')).json()).cells;
  expect(Object.keys(own!.models)).toEqual(['c1', 'attacker']);
  expect(Object.keys(own!.final)).toEqual(['c1']);
  expect((await app.request(`/models/${own!.folder}/classifier-c2.onnx`)).status).toBe(404);
});

it('says nothing of a C2 in answers', async () => {
  const { answer } = attackSchemas(await cardOf(), limits);
  const { results } = answer.parse(await (await attacked('application/json')).json());
  expect(results[0]).toHaveProperty('c1');
  expect(results[0]).not.toHaveProperty('c2');

  const { headers } = await attacked('image/png');
  expect(headers.get('sparring-c1')).toMatch(/ -> /);
  expect(headers.has('sparring-c2')).toBe(false);
});

const cardOf = async () => ManifestAnswer.parse(await (await app.request('/models')).json()).classifier;
