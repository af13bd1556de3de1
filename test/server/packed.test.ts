import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Hono } from 'hono';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packedFiles } from '../../src/server/packed.ts';

const program = Buffer.from('\0asm'.repeat(50_000));
let root: string;
const app = new Hono();
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sparring-packed-'));
  await mkdir(join(root, 'assets'));
  await writeFile(join(root, 'assets', 'program.wasm.gz'), gzipSync(program));
  app.get('/assets/*', packedFiles(root));
});
afterAll(() => rm(root, { recursive: true }));

const get = async (path: string, encoding?: string, method = 'GET') =>
  await app.request(path, { method, headers: encoding === undefined ? {} : { 'accept-encoding': encoding } });
const bytes = async (response: Response) => Buffer.from(await response.arrayBuffer());

test('a file that is kept packed goes packed to a client that takes gzip', async () => {
  const response = await get('/assets/program.wasm', 'gzip, br');
  expect(response.status).toBe(200);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-encoding': 'gzip',
    'content-type': 'application/wasm',
    vary: 'Accept-Encoding',
  });
  expect(gunzipSync(await bytes(response)).equals(program)).toBe(true);
});

test('and unpacked to others', async () => {
  const response = await get('/assets/program.wasm');
  expect(response.headers.has('content-encoding')).toBe(false);
  expect((await bytes(response)).equals(program)).toBe(true);
});

test('HEAD has its headers and no body', async () => {
  const response = await get('/assets/program.wasm', 'gzip', 'HEAD');
  expect(response.headers.get('content-type')).toBe('application/wasm');
  expect((await bytes(response)).length).toBe(0);
});

test('what is not kept packed is left to others', async () => {
  expect((await get('/assets/other.wasm')).status).toBe(404);
});

test.skipIf(process.platform !== 'linux')('clients that leave on the way leave no file open', async () => {
  const descriptors = async () => (await readdir('/proc/self/fd')).length;
  const before = await descriptors();
  for (let i = 0; i < 20; i++) {
    for (const encoding of ['gzip', undefined])
      await (await get('/assets/program.wasm', encoding)).body!.cancel();
  }
  await expect.poll(descriptors).toBeLessThanOrEqual(before + 2);
});
