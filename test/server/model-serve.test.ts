import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { serve, type ModelCatalogue, type ServeOptions, type Serving } from '../../src/server/index.ts';
import { sparring, start } from '../support/cli.ts';
import { photoModel, photos } from '../support/photo-model.ts';
import { preparedPhotos } from '../support/served-model.ts';
import { plainServer } from '../support/server.ts';
import '../support/run.ts';

/** In milliseconds: the machine may be busy with much else. */
const patience = 240_000;
const image = new Uint8Array(photos(1).buffer);
let folder: string;
let catalogue: ModelCatalogue;
const serving: Serving[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-model-serve-'));
  catalogue = await preparedPhotos(folder, { most: { steps: 100_000, queries: 1000, restarts: 10 } });
}, patience);
afterEach(async () => {
  for (const one of serving.splice(0)) await one.drain();
});
afterAll(() => rm(folder, { recursive: true }));

async function started(options: Partial<ServeOptions> = {}) {
  const one = await serve({
    catalogue,
    ...plainServer,
    limits: { images: 4, body: 8 * 1024 * 1024 },
    drainTimeout: 60_000,
    ...options,
  });
  serving.push(one);
  return { ...one, url: `http://127.0.0.1:${one.port}` };
}

const attack = async (url: string, query = '?attack=fgsm') =>
  await fetch(`${url}/attack${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: image as BodyInit,
  });

/** Answers are too long to be shown where they differ. */
const hashOf = async (response: Promise<Response>): Promise<string> =>
  createHash('sha256')
    .update(new Uint8Array(await (await response).arrayBuffer()))
    .digest('hex');

it(
  'attacks in workers, and the same request has the same answer under load',
  async () => {
    const { url, pool } = await started();
    const first = await hashOf(attack(url));
    const all = await Promise.all(Array.from({ length: 6 }, () => hashOf(attack(url))));
    expect(new Set([first, ...all]).size).toBe(1);
    // and a worker that dies is replaced
    process.kill(pool.pids()[0]!, 'SIGKILL');
    await expect.poll(async () => (await attack(url)).status, { timeout: 60_000 }).toBe(200);
    expect(await hashOf(attack(url))).toBe(first);
  },
  patience,
);

it(
  'gives up an attack that takes too long, and keeps its worker',
  async () => {
    const { url, pool } = await started({ timeout: 3000 });
    const [pid] = pool.pids();
    // opens the session of the gradient
    await attack(url);
    const response = await attack(url, '?attack=pgd&steps=100000&restarts=10');
    expect(response.status).toBe(503);
    expect(((await response.json()) as { detail: string }).detail).toMatch(/takes longer|took longer/);
    await expect.poll(async () => (await attack(url)).status, { timeout: 60_000 }).toBe(200);
    expect(pool.pids()).toEqual([pid]);
  },
  patience,
);

it(
  'serves a changed model after SIGHUP, and goes on with the one before where the new one is none',
  async () => {
    const path = join(folder, 'mine.onnx');
    await writeFile(path, photoModel(1));
    const options = ['--port', '0', '--workers', '1', '--attacks', 'pgd,fgsm,noise'];
    const server = start(['serve', path, ...options], { cwd: folder });
    let log = '';
    server.process.stdout!.on('data', (text: string) => (log += text));
    await server.says(' serves mine: 3 attacks');
    const url = /http:\S+:\d+/.exec(server.stderr())![0];
    const hash = async () => {
      const { model } = (await (await fetch(`${url}/models`)).json()) as { model: { sha256: string } };
      return model.sha256;
    };
    const [before, answer] = [await hash(), await hashOf(attack(url))];

    server.process.kill('SIGHUP');
    await expect.poll(() => log, { timeout: 60_000 }).toContain('the model has not changed');
    expect(await hash()).toBe(before);

    await writeFile(path, photoModel(2));
    const during = attack(url);
    server.process.kill('SIGHUP');
    expect((await during).status).toBe(200);
    await expect.poll(hash, { timeout: 60_000 }).not.toBe(before);
    const [after, other] = [await hash(), await hashOf(attack(url))];
    expect(other).not.toBe(answer);

    await writeFile(path, 'no model');
    server.process.kill('SIGHUP');
    await expect.poll(() => log, { timeout: 60_000 }).toContain('the model cannot be reloaded');
    expect(await hash()).toBe(after);
    expect(await hashOf(attack(url))).toBe(other);

    server.process.kill('SIGTERM');
    expect(await server.finished).toMatchObject({ code: 0, signal: null });
  },
  patience,
);

it(
  'says in one line, with status 2, what cannot be served',
  async () => {
    const path = join(folder, 'photo.onnx');
    const line = async (...args: string[]) => {
      const { code, stderr } = await sparring(['serve', ...args, '--port', '0'], { cwd: folder });
      expect(code).toBe(2);
      return stderr.trimEnd().split('\n').at(-1)!;
    };
    expect(await line('none.onnx')).toContain('none.onnx: no such file');
    expect(await line(path, '--run', 'runs/x')).toContain('not both');
    expect(await line('--eps', '0.1')).toBe(
      'sparring: --eps is for a model; name its file: sparring serve model.onnx --eps',
    );
  },
  patience,
);
