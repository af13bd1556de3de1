import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as ort from 'onnxruntime-node';
import { pino } from 'pino';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCell, type OpenCell } from '../../src/server/inference.ts';
import {
  bytesOf,
  createApp,
  createBatcher,
  createMetrics,
  loadCatalogue,
  type AppDeps,
  type Catalogue,
  type Pool,
} from '../../src/server/index.ts';
import { attackSchemas, ManifestAnswer, type AttackSchemas } from '../../src/server/schemas.ts';
import '../support/run.ts';
import { digitPng, digits, nested, untrainedRun, type GreyAnswer } from '../support/server.ts';

let folder: string;
let catalogue: Catalogue;
let schemas: AttackSchemas;
const open = new Map<string, OpenCell>();

/** Real sessions, in this thread. */
const sessions: Pick<Pool, 'workers' | 'run'> = {
  workers: 1,
  run: async ({ cell, ...batch }) => await open.get(cell)!.attack(batch),
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-app-'));
  await untrainedRun(join(folder, 'made'), [
    { eps: 0.16, clip: true },
    { eps: 0.3, clip: false },
  ]);
  catalogue = await loadCatalogue(join(folder, 'made'));
  schemas = attackSchemas(catalogue.card, { images: 8 });
  for (const { folder: name, eps, models } of catalogue.cells) {
    const [c1, c2, attacker] = [models.c1, models.c2!, models.attacker].map(bytesOf);
    open.set(
      name,
      await openCell(
        { eps, image: catalogue.card.image, c1: await c1!, c2: await c2!, attacker: await attacker! },
        1,
      ),
    );
  }
}, 120_000);
afterAll(async () => {
  for (const cell of open.values()) await cell.close();
  await rm(folder, { recursive: true });
});

const app = ({ queue = 256, ...deps }: Partial<AppDeps> & { readonly queue?: number } = {}) => {
  const metrics = createMetrics();
  return createApp({
    catalogue,
    batcher: createBatcher(sessions, { batch: 16, queue, timeout: 20_000 }, metrics.events),
    metrics,
    log: pino({ level: 'silent' }),
    ready: () => true,
    limits: { images: 8, body: 400_000 },
    origins: [],
    demo: null,
    docsScript: null,
    version: '1.2.3',
    ...deps,
  });
};

const get = async (path: string, headers: Record<string, string> = {}, deps: Partial<AppDeps> = {}) =>
  await app(deps).request(path, { headers });

const post = async (
  body: string | Uint8Array | FormData,
  headers: Record<string, string> = {},
  { query = '', ...deps }: Partial<AppDeps> & { readonly query?: string; readonly queue?: number } = {},
) =>
  await app(deps).request(`/attack${query}`, {
    method: 'POST',
    headers,
    body: body as BodyInit,
  });

const json = (body: unknown, deps: Partial<AppDeps> & { readonly queue?: number } = {}) =>
  post(JSON.stringify(body), { 'content-type': 'application/json' }, deps);
const answered = async (response: Response) => {
  expect(response.status).toBe(200);
  return schemas.answer.parse(await response.json()) as GreyAnswer;
};

const three = digits(3);
const one = three.slice(0, 784);
const png = digitPng(one);
const maxOf = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => Math.max(a, b));

describe('POST /attack', () => {
  it('gives what the models give, in plain sessions of ONNX Runtime', async () => {
    const { results } = await answered(await json({ images: nested(three), labels: [0, 1, 2] }));
    const cell = join(folder, 'made', catalogue.cells[0]!.folder);
    const infer = async (model: string, image: Float32Array) => {
      const session = await ort.InferenceSession.create(join(cell, `${model}.onnx`));
      return await session.run({ image: new ort.Tensor('float32', image, [3, 1, 28, 28]) });
    };
    const { perturbation, attacked } = await infer('attacker', three);
    const flat = (of: readonly (readonly (readonly number[])[])[]): number[] => of.flat(2);
    expect(flat(results.map((r) => r.perturbation))).toBeAllClose(perturbation!.data as Float32Array, {
      atol: 1e-6,
    });
    expect(flat(results.map((r) => r.attacked))).toBeAllClose(attacked!.data as Float32Array, { atol: 1e-6 });
    for (const name of ['c1', 'c2'] as const) {
      for (const [when, image] of [
        ['before', three],
        ['after', attacked!.data as Float32Array],
      ] as const) {
        const { probabilities } = await infer(`classifier-${name}`, image);
        expect(results.flatMap((r) => r[name]![when].probabilities)).toBeAllClose(
          probabilities!.data as Float32Array,
          { atol: 1e-5 },
        );
      }
    }
  });

  it('says how far the attacked image is from the image, and whether the attack worked', async () => {
    const { results, attacker, clip, bits } = await answered(await json({ images: nested(three) }));
    expect({ attacker, clip, bits }).toEqual({
      attacker: {
        folder: 'consecutive-eps0.16-seed1',
        mode: 'consecutive',
        eps: 0.16,
        bound: 'tanh',
        seed: 1,
      },
      clip: true,
      bits: null,
    });
    for (const [i, { attacked, linf, l2, c1, success, label }] of results.entries()) {
      const change = attacked.flat().map((x, at) => x - three[784 * i + at]!);
      expect(linf).toBeCloseTo(maxOf(change.map(Math.abs)), 6);
      expect(l2).toBeCloseTo(Math.hypot(...change), 5);
      expect(c1.before.prediction).toBe(c1.before.probabilities.indexOf(maxOf(c1.before.probabilities)));
      expect(label).toBe(null);
      expect(success).toBe(c1.after.prediction !== c1.before.prediction);
    }
  });

  it('takes a label as the truth', async () => {
    const [plain] = (await answered(await json({ images: nested(one) }))).results;
    const right = plain!.c1.before.prediction;
    const withLabel = async (label: number) =>
      (await answered(await json({ images: nested(one), labels: [label] }))).results[0];
    expect(await withLabel(right)).toMatchObject({ label: right, success: plain!.success });
    // there is nothing to be gained where C1 was wrong already
    expect(await withLabel((right + 1) % 10)).toMatchObject({ success: null });
  });

  it('answers PNG, raw float32, multipart and JSON alike', async () => {
    const form = new FormData();
    form.append('images', new File([png as Uint8Array<ArrayBuffer>], 'digit.png', { type: 'image/png' }));
    form.append('labels', '3');
    form.append('eps', '0.3');
    const raw = new Uint8Array(one.buffer);
    const options = '?labels=3&eps=0.3';
    const answers = [
      await post(form),
      await post(png, { 'content-type': 'image/png' }, { query: options }),
      await post(raw, { 'content-type': 'application/octet-stream' }, { query: options }),
      await json({ images: nested(one), labels: [3], attacker: { eps: 0.3 } }),
    ];
    const [first, ...others] = await Promise.all(answers.map(answered));
    expect(first!.attacker.eps).toBe(0.3);
    for (const other of others) expect(other).toEqual(first);
  });

  it('takes several pictures as multipart', async () => {
    const form = new FormData();
    const file = (image: Float32Array) => new File([digitPng(image) as Uint8Array<ArrayBuffer>], 'x.png');
    for (let i = 0; i < 3; i++) form.append('images', file(three.slice(784 * i, 784 * (i + 1))));
    const { results } = await answered(await post(form));
    expect(results).toHaveLength(3);
    expect(results).toEqual((await answered(await json({ images: nested(three) }))).results);
  });

  it('answers JSON where Accept is empty', async () => {
    const response = await post(png, { 'content-type': 'image/png', accept: '' });
    expect(response.headers.get('content-type')).toBe('application/json');
    expect((await answered(response)).results).toHaveLength(1);
  });

  it('answers a picture that stays within eps after its rounding', async () => {
    const response = await post(png, { 'content-type': 'image/png', accept: 'image/png' });
    expect(response.headers.get('content-type')).toBe('image/png');
    const { width, height, data } = PNG.sync.read(Buffer.from(await response.arrayBuffer()));
    expect([width, height]).toEqual([28, 28]);
    const linf = maxOf(Array.from(one, (x, i) => Math.abs(data[4 * i]! / 255 - x)));
    expect(linf).toBeGreaterThan(0);
    expect(linf).toBeLessThanOrEqual(0.16 + 1e-6);
    expect(Number(response.headers.get('sparring-linf'))).toBeCloseTo(linf, 5);
    expect(response.headers.get('sparring-c1')).toMatch(/^\d -> \d$/);
    expect(response.headers.get('sparring-success')).toMatch(/^(true|false)$/);
    const { results } = await answered(await json({ images: nested(one), bits: 8 }));
    expect(results[0]!.attacked.flat().map((x) => Math.round(255 * x))).toEqual(
      Array.from({ length: 784 }, (_, i) => data[4 * i]),
    );
  });

  it.each([0.16, 0.3])('bits: 8 gives multiples of 1/255 within eps %d', async (eps) => {
    const { results, clip, bits } = await answered(
      await json({ images: nested(three), bits: 8, attacker: { eps } }),
    );
    expect({ clip, bits }).toEqual({ clip: true, bits: 8 });
    for (const { attacked, linf } of results) {
      expect(linf).toBeLessThanOrEqual(eps + 1e-6);
      for (const x of attacked.flat()) expect(Math.abs(255 * x - Math.round(255 * x))).toBeLessThan(1e-4);
    }
  });

  it('clips as the attacker was trained, or as it is asked to', async () => {
    const range = async (attacker: string, clip?: boolean) => {
      const answer = await answered(await json({ images: nested(three), attacker, clip }));
      const all = answer.results.flatMap(({ attacked }) => attacked.flat());
      return [answer.clip, all.every((x) => x >= 0 && x <= 1)];
    };
    const [clipped, unclipped] = catalogue.cells.map((cell) => cell.folder);
    expect(await range(clipped!)).toEqual([true, true]);
    expect(await range(clipped!, false)).toEqual([false, false]);
    expect(await range(unclipped!)).toEqual([false, false]);
    expect(await range(unclipped!, true)).toEqual([true, true]);
  });

  it.each([
    [undefined, 0.16],
    ['consecutive-eps0.3-seed1', 0.3],
    [{ eps: 0.3 }, 0.3],
    [{ mode: 'consecutive', seed: 1 }, 0.16],
  ])('attacker %j is the one of eps %d', async (attacker, eps) => {
    expect((await answered(await json({ images: nested(one), attacker }))).attacker.eps).toBe(eps);
  });
});

/** What is refused: the request, the status, and what the first error must hold. */
const image = nested(one)[0]!;
const withPixel = (value: unknown): unknown => [[[...image[0]!.slice(0, 27), value], ...image.slice(1)]];
const refusals: readonly (readonly [
  name: string,
  send: () => Promise<Response>,
  status: number,
  error: object,
])[] = [
  [
    'a pixel above 1',
    () => json({ images: withPixel(1.5) }),
    422,
    { field: 'images[0][0][27]', value: 1.5, limit: 1 },
  ],
  [
    'a pixel below 0',
    () => json({ images: withPixel(-1) }),
    422,
    { field: 'images[0][0][27]', value: -1, limit: 0 },
  ],
  ['a pixel that is a text', () => json({ images: withPixel('1') }), 422, { value: '1', limit: 'number' }],
  ['null for NaN', () => json({ images: withPixel(NaN) }), 422, { field: 'images[0][0][27]', value: null }],
  ['an image of 27 rows', () => json({ images: [image.slice(1)] }), 422, { field: 'images[0]', limit: 28 }],
  ['no image', () => json({ images: [] }), 422, { field: 'images', limit: 1 }],
  [
    'too many images',
    () => json({ images: Array.from({ length: 9 }, () => image) }),
    422,
    { field: 'images', value: 'an array of 9', limit: 8 },
  ],
  ['a body that is no object', () => json([1]), 422, { field: 'body', limit: 'object' }],
  ['a field that there is not', () => json({ images: [image], epsilon: 1 }), 422, { field: 'epsilon' }],
  [
    'a label above 9',
    () => json({ images: [image], labels: [10] }),
    422,
    { field: 'labels[0]', value: 10, limit: 9 },
  ],
  [
    'a label too many',
    () => json({ images: [image], labels: [1, 2] }),
    422,
    { field: 'labels', value: 2, limit: 1 },
  ],
  ['7 bits', () => json({ images: [image], bits: 7 }), 422, { field: 'bits', value: 7, limit: [8] }],
  [
    '8 bits unclipped',
    () => json({ images: [image], bits: 8, clip: false }),
    422,
    { field: 'clip', limit: true },
  ],
  [
    'an attacker that there is not',
    () => json({ images: [image], attacker: { eps: 0.1 } }),
    422,
    { field: 'attacker', value: 'eps 0.1', limit: ['consecutive-eps0.16-seed1', 'consecutive-eps0.3-seed1'] },
  ],
  [
    'a picture of several images',
    () =>
      post(JSON.stringify({ images: nested(three) }), {
        'content-type': 'application/json',
        accept: 'image/png',
      }),
    422,
    { field: 'images', value: 3, limit: 1 },
  ],
  [
    'a PNG of another size',
    () => {
      const large = PNG.sync.write(new PNG({ width: 280, height: 28 }));
      return post(large, { 'content-type': 'image/png' });
    },
    422,
    { field: 'body', value: '280x28', limit: '28x28' },
  ],
  ['a truncated PNG', () => post(png.slice(0, 100), { 'content-type': 'image/png' }), 400, { field: 'body' }],
  [
    'a PNG with a wrong checksum',
    () => post(png.with(60, png[60]! ^ 1), { 'content-type': 'image/png' }),
    400,
    { field: 'body' },
  ],
  [
    'a text that is called PNG',
    () => post('hello', { 'content-type': 'image/png' }),
    400,
    { field: 'body', message: 'It is not a PNG' },
  ],
  [
    'a floating-point pixel that is NaN',
    () => post(new Uint8Array(one.with(30, NaN).buffer), { 'content-type': 'application/octet-stream' }),
    422,
    { field: 'images[0][1][2]', value: 'NaN', limit: 1 },
  ],
  [
    'a raw body of another length',
    () => post(new Uint8Array(3137), { 'content-type': 'application/octet-stream' }),
    422,
    { field: 'body', value: 3137 },
  ],
  [
    'a query option that is no number',
    () => post(png, { 'content-type': 'image/png' }, { query: '?eps=big' }),
    422,
    { field: 'eps' },
  ],
  [
    'an attacker told twice',
    () => post(png, { 'content-type': 'image/png' }, { query: '?attacker=a&eps=0.1' }),
    422,
    { field: 'eps' },
  ],
  [
    'an option in the query of a JSON body',
    () =>
      post(JSON.stringify({ images: [image] }), { 'content-type': 'application/json' }, { query: '?bits=8' }),
    422,
    { field: 'bits' },
  ],
  [
    'a number that is not decimal',
    () => post(png, { 'content-type': 'image/png' }, { query: '?bits=0b1000' }),
    422,
    { field: 'bits', value: '0b1000' },
  ],
  [
    'an option that stands twice in the query',
    () => post(png, { 'content-type': 'image/png' }, { query: '?eps=0.16&eps=0.3' }),
    422,
    { field: 'eps', message: 'It may be given once' },
  ],
  [
    'more labels than images may be',
    () => json({ images: [image], labels: Array.from({ length: 9 }, () => 1) }),
    422,
    { field: 'labels', value: 'an array of 9', limit: 8 },
  ],
  [
    'a body that is compressed',
    () =>
      post(gzipSync(JSON.stringify({ images: [image] })), {
        'content-type': 'application/json',
        'content-encoding': 'gzip',
      }),
    415,
    { field: 'Content-Encoding', value: 'gzip', limit: 'identity' },
  ],
  [
    'every type of answer',
    () => post(png, { 'content-type': 'image/png', accept: '*/*;q=0' }),
    406,
    { field: 'Accept' },
  ],
  [
    'another type of body',
    () => post('x=1', { 'content-type': 'text/plain' }),
    415,
    { field: 'Content-Type', value: 'text/plain' },
  ],
  [
    'another type of answer',
    () => post(png, { 'content-type': 'image/png', accept: 'text/html' }),
    406,
    { field: 'Accept', value: 'text/html' },
  ],
  [
    'a body that is too large',
    () => post(new Uint8Array(400_001), { 'content-type': 'image/png' }),
    413,
    { field: 'body', limit: 400_000 },
  ],
  [
    'a queue without room',
    () => json({ images: nested(three) }, { queue: 2 }),
    429,
    { field: 'images', value: 3, limit: 2 },
  ],
];

describe('a refusal', () => {
  it.each(refusals)('of %s names field, value and limit', async (_, send, status, error) => {
    const response = await send();
    const body = (await response.json()) as { status: number; detail: string; errors: object[] };
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(body.status).toBe(status);
    expect(body.errors[0]).toMatchObject(error);
  });

  it.each([
    ['JSON', 'application/json', '{"images": [[[NaN'],
    ['multipart', 'multipart/form-data; boundary=x', '--y\r\n'],
  ])('of malformed %s says so', async (_, type, body) => {
    const response = await post(body, { 'content-type': type });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ type: 'urn:sparring:problem:malformed-body' });
  });

  it.each([
    ['in an object', JSON.stringify({ images: [image], ['k'.repeat(300_000)]: 1 })],
    [
      'of a hundred fields',
      JSON.stringify({
        images: [image],
        ...Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`k${i}`, 0])),
      }),
    ],
    ['as the name of an attacker', JSON.stringify({ images: [image], attacker: 'a'.repeat(300_000) })],
  ])('of much text %s is short', async (_, body) => {
    const response = await post(body, { 'content-type': 'application/json' });
    expect(response.status).toBe(422);
    expect((await response.text()).length).toBeLessThan(1500);
  });

  const many = (text: string, n: number): string => Array.from({ length: n }, () => text).join();
  const rows = JSON.stringify(image);
  it.each([
    ['labels that are wrong', `{"images":[${rows}],"labels":[${many('-1', 100_000)}]}`, 422],
    ['empty images', `{"images":[${many('[]', 130_000)}]}`, 422],
    ['rows in an image', `{"images":[[${many('[]', 130_000)}]]}`, 422],
    ['pixels in a row', `{"images":[[[${many('2', 190_000)}]]]}`, 422],
    ['fields', `{"images":[${rows}],${many('"a":0', 60_000)}}`, 422],
    ['options of an attacker', `{"images":[${rows}],"attacker":{${many('"a":0', 60_000)}}}`, 422],
    ['arrays in each other', `{"images":${'['.repeat(190_000)}`, 422],
    [
      'wrong pixels',
      JSON.stringify({ images: Array.from({ length: 8 }, () => image.map((row) => row.map(() => -1))) }),
      422,
    ],
  ])('of a body with too many %s takes little time', async (_, body, status) => {
    const own = app();
    const send = () =>
      own.request('/attack', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    const taken: number[] = [];
    for (let i = 0; i < 4; i++) {
      const before = process.cpuUsage();
      expect((await send()).status).toBe(status);
      const { user, system } = process.cpuUsage(before);
      taken.push((user + system) / 1000);
    }
    // what else the process does is counted with some of them
    expect(Math.min(...taken)).toBeLessThan(50);
  });

  it('of a multipart body with thousands of parts takes little time', async () => {
    const part = '--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n\r\n';
    const own = app();
    const before = process.cpuUsage();
    const response = await own.request('/attack', {
      method: 'POST',
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      body: `${part.repeat(5000)}--b--\r\n`,
    });
    const { user, system } = process.cpuUsage(before);
    expect(response.status).toBe(422);
    expect((user + system) / 1000).toBeLessThan(100);
  });

  it('leaves nothing behind: memory is the same after 3,000 of them', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const own = app();
    const send = async (n: number) => {
      for (let i = 0; i < n; i++)
        await own.request('/attack', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{"images":[]}',
        });
      // what the last request left to do is done by then
      for (let i = 0; i < 2; i++) {
        await sleep(100);
        collect();
      }
      return process.memoryUsage().heapUsed;
    };
    await send(500);
    const before = await send(500);
    // a schema that was made for each request took 33 kB of it
    expect((await send(3000)) - before).toBeLessThan(5e6);
  });

  it('has the id of its request, in a header and in the answer, as the log has it', async () => {
    const lines: string[] = [];
    const log = pino({}, { write: (line: string) => lines.push(line) });
    const own = app({ log });
    for (const [path, method] of [
      ['/nothing', 'GET'],
      ['/healthz', 'PUT'],
      ['/attack', 'POST'],
    ] as const) {
      const response = await own.request(path, { method, headers: { 'x-request-id': 'my-own-id' } });
      expect(response.status).toBeGreaterThanOrEqual(400);
      expect(response.headers.get('x-request-id')).toBe('my-own-id');
      expect(await response.json()).toMatchObject({ requestId: 'my-own-id' });
      expect(JSON.parse(lines.pop()!)).toMatchObject({ id: 'my-own-id', status: response.status });
    }
  });

  it('comes before the body is read when the queue is full', async () => {
    const full: AppDeps['batcher'] = {
      ...createBatcher(
        { workers: 0, run: () => new Promise(() => {}) },
        { batch: 1, queue: 1, timeout: 1e6 },
        createMetrics().events,
      ),
    };
    const gone = new AbortController();
    const waits = full
      .attack({ cell: '', images: one, constraints: [{ clip: true, bits: null }] }, gone.signal)
      .catch(() => null);
    const body = new ReadableStream(
      {
        pull: () => {
          throw new Error('it was read');
        },
      },
      { highWaterMark: 0 },
    );
    const response = await app({ batcher: full }).request('/attack', {
      method: 'POST',
      headers: { 'content-type': 'image/png', 'content-length': '99' },
      body,
      duplex: 'half',
    } as RequestInit);
    expect(response.status).toBe(429);
    gone.abort();
    await waits;
  });

  it('is 429 for a large body when others are coming in', async () => {
    const own = app({ limits: { images: 8, body: 400_000, bodies: 500_000 } });
    let end!: () => void;
    const slow = new ReadableStream({ start: (controller) => void (end = () => controller.close()) });
    const send = (body: BodyInit) =>
      own.request('/attack', {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream', 'content-length': '300000' },
        body,
        duplex: 'half',
      } as RequestInit);
    const first = send(slow);
    expect((await send(new Uint8Array(300_000))).status).toBe(429);
    end();
    expect((await first).status).toBe(422);
    expect((await send(new Uint8Array(300_000))).status).toBe(422);
  });

  it('for want of room says when to come again', async () => {
    const response = await json({ images: nested(three) }, { queue: 2 });
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  });

  it('of what nobody foresaw tells nothing about the inside, and logs it', async () => {
    const lines: string[] = [];
    const broken = { admit: () => {}, attack: () => Promise.reject(new Error('secret')), waiting: () => 0 };
    const response = await json(
      { images: [image] },
      { batcher: broken, log: pino({}, { write: (line: string) => lines.push(line) }) },
    );
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('secret');
    expect(lines.join('')).toContain('secret');
  });
});

describe('GET /models', () => {
  it('tells of every cell and where its files are', async () => {
    const response = await get('/models');
    const manifest = ManifestAnswer.parse(await response.json());
    expect(manifest).toMatchObject({ run: 'made', data: { name: 'mnist', testImages: 10_000 } });
    expect(manifest.cells.map(({ eps }) => eps)).toEqual([0.16, 0.3]);
    for (const cell of manifest.cells) {
      for (const { url, bytes, sha256 } of [cell.models.c1, cell.models.attacker]) {
        const file = await get(`/${url}`);
        const content = new Uint8Array(await file.arrayBuffer());
        expect(file.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
        expect(file.headers.get('content-length')).toBe(String(bytes));
        expect(createHash('sha256').update(content).digest('hex')).toBe(sha256);
      }
    }
  });

  const path = '/models/consecutive-eps0.16-seed1/classifier-c1.onnx';
  const file = () => readFile(join(folder, 'made', path.slice('/models/'.length)));

  it('has a cache ask again for a file without its hash, and answers that with 304', async () => {
    const first = await get(path);
    expect(first.headers.get('cache-control')).toBe('no-cache');
    const etag = first.headers.get('etag')!;
    const again = await get(path, { 'if-none-match': `"other", W/${etag}` });
    expect([again.status, await again.text()]).toEqual([304, '']);
    expect((await get(path, { 'if-none-match': '"other"' })).status).toBe(200);
  });

  it.each([
    ['bytes=0-9', 0, 10],
    ['bytes=100-', 100, undefined],
    ['bytes=-16', -16, undefined],
  ])('sends the range %s', async (range, start, end) => {
    const whole = await file();
    const response = await get(path, { range });
    expect(response.status).toBe(206);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(whole.subarray(start, end));
    const from = start < 0 ? whole.length + start : start;
    expect(response.headers.get('content-range')).toBe(
      `bytes ${from}-${(end ?? whole.length) - 1}/${whole.length}`,
    );
  });

  it('sends the whole file for a last part that is longer than the file', async () => {
    const whole = await file();
    const response = await get(path, { range: 'bytes=-999999999' });
    expect([response.status, response.headers.get('content-range')]).toEqual([
      206,
      `bytes 0-${whole.length - 1}/${whole.length}`,
    ]);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(whole);
  });

  it.each(['bytes=9-0', 'bytes=-', 'bytes=a-b', 'bytes=0x1-2', 'bytes=1', 'pages=0-1', '', 'bytes=0-1-2'])(
    'ignores the malformed or foreign range "%s"',
    async (range) => {
      expect((await get(path, { range })).status).toBe(200);
    },
  );

  it('sends the whole file for several ranges, and for a range of another version', async () => {
    expect((await get(path, { range: 'bytes=0-1,5-6' })).status).toBe(200);
    expect((await get(path, { range: 'bytes=0-1', 'if-range': '"other"' })).status).toBe(200);
    const etag = (await get(path)).headers.get('etag')!;
    expect((await get(path, { range: 'bytes=0-1', 'if-range': etag })).status).toBe(206);
  });

  it.each(['bytes=999999999-', 'bytes=-0'])(
    'refuses the range %s with the size of the file',
    async (range) => {
      const response = await get(path, { range });
      expect(response.status).toBe(416);
      expect(response.headers.get('content-range')).toBe(`bytes */${(await file()).length}`);
    },
  );

  it('takes a range that it does not understand for none, and a suffix longer than the file for the file', async () => {
    for (const range of ['bytes=a-b', 'lines=1-2', 'bytes=1', 'bytes=1-2-3'])
      expect((await get(path, { range })).status).toBe(200);
    const { length } = await file();
    const suffix = await get(path, { range: `bytes=-${length + 5}` });
    expect(suffix.headers.get('content-range')).toBe(`bytes 0-${length - 1}/${length}`);
  });

  it('answers HEAD with the size alone', async () => {
    const response = await app().request(path, { method: 'HEAD' });
    expect(response.headers.get('content-length')).toBe(String((await file()).length));
    expect(await response.text()).toBe('');
  });

  it.each([
    '/models/nothing/attacker.onnx',
    '/models/consecutive-eps0.16-seed1/checkpoint',
    '/models/consecutive-eps0.16-seed1/..%2f..%2fresult.json',
    `${path}?sha256=0123456789abcdef`,
  ])('has no %s', async (missing) => {
    expect((await get(missing)).status).toBe(404);
  });
});

describe('the rest', () => {
  it('is alive, and ready as long as it is', async () => {
    expect((await get('/healthz')).status).toBe(200);
    expect((await get('/readyz')).status).toBe(200);
    const draining = await get('/readyz', {}, { ready: () => false });
    expect([draining.status, draining.headers.get('connection')]).toEqual([503, 'close']);
  });

  it('counts requests and batches for Prometheus', async () => {
    const own = app();
    await own.request('/attack', {
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body: png as BodyInit,
    });
    await own.request('/attack', { method: 'POST', headers: { 'content-type': 'image/png' }, body: 'x' });
    const text = await (await own.request('/metrics')).text();
    const total = 'sparring_http_request_duration_seconds_count{method="POST",route="/attack"';
    expect(text).toContain(`${total},status="200"} 1`);
    expect(text).toContain(`${total},status="400"} 1`);
    expect(text).toContain('sparring_batch_images_sum 1');
    expect(text).toContain('nodejs_eventloop_lag_p99_seconds');
  });

  it('describes every route in OpenAPI, with the limits that hold', async () => {
    const document = (await (await get('/openapi.json')).json()) as {
      info: { version: string };
      paths: Record<string, Record<string, unknown>>;
      components: { schemas: { AttackRequest: { properties: { images: object } } } };
    };
    expect(document.info.version).toBe('1.2.3');
    const described = Object.keys(document.paths).map((path) => path.replaceAll(/\{(\w+)\}/g, ':$1'));
    const routes = app()
      .routes.filter(({ method, path }) => ['GET', 'POST'].includes(method) && !path.includes('*'))
      .map(({ path }) => path)
      .filter((path) => path !== '/docs/openapi-explorer.js');
    expect(described.toSorted()).toEqual([...new Set(routes)].toSorted());
    expect(document.components.schemas.AttackRequest.properties.images).toMatchObject({
      minItems: 1,
      maxItems: 8,
    });
  });

  it('has a docs page whose every file is its own', async () => {
    const script = join(folder, 'explorer.js');
    await writeFile(script, 'export {};');
    const page = await get('/docs');
    expect(await page.text()).not.toMatch(/https?:|\/\//);
    const own = await get('/docs/openapi-explorer.js', {}, { docsScript: script });
    expect(own.headers.get('content-type')).toContain('text/javascript');
    expect((await get('/docs/openapi-explorer.js')).status).toBe(404);
  });

  it('compresses JSON for those who understand it, and nothing that is small', async () => {
    const own = app();
    const send = (encoding: string) =>
      own.request('/attack', {
        method: 'POST',
        headers: { 'content-type': 'image/png', 'accept-encoding': encoding },
        body: png as BodyInit,
      });
    const [plain, small] = [await send('identity'), await send('gzip')];
    expect([plain, small].map(({ headers }) => headers.get('content-encoding'))).toEqual([null, 'gzip']);
    const [text, bytes] = [await plain.text(), Buffer.from(await small.arrayBuffer())];
    expect(gunzipSync(bytes).toString()).toBe(text);
    expect(bytes.length).toBeLessThan(text.length / 2);
    const health = await own.request('/healthz', { headers: { 'accept-encoding': 'gzip' } });
    expect(health.headers.get('content-encoding')).toBe(null);
  });

  it('serves files that were compressed beforehand, and tells caches when they are old', async () => {
    const demo = join(folder, 'demo-gz');
    await mkdir(join(demo, 'assets'), { recursive: true });
    await writeFile(join(demo, 'index.html'), '<h1>demo</h1>');
    await writeFile(join(demo, 'assets', 'ort-1a2b.wasm'), 'plain');
    await writeFile(join(demo, 'assets', 'ort-1a2b.wasm.gz'), gzipSync('plain'));
    const asset = await get('/assets/ort-1a2b.wasm', { 'accept-encoding': 'gzip, br' }, { demo });
    expect(asset.headers.get('content-encoding')).toBe('gzip');
    expect(gunzipSync(Buffer.from(await asset.arrayBuffer())).toString()).toBe('plain');
    const page = await get('/', {}, { demo });
    expect(page.headers.get('cache-control')).toBe('no-cache');
    expect(page.headers.get('last-modified')).not.toBe(null);
    const etag = page.headers.get('etag')!;
    expect((await get('/', { 'if-none-match': etag }, { demo })).status).toBe(304);
  });

  it('labels a method that there is not as other', async () => {
    const own = app();
    for (const method of ['PROPFIND', 'MKCOL', 'LOCK']) await own.request('/healthz', { method });
    const text = await (await own.request('/metrics')).text();
    expect(text).toContain('_count{method="other",route="/healthz",status="405"} 3');
    expect(text).not.toContain('PROPFIND');
  });

  it('serves the built demo, its assets for ever', async () => {
    const demo = join(folder, 'demo');
    await mkdir(join(demo, 'assets'), { recursive: true });
    await writeFile(join(demo, 'index.html'), '<h1>demo</h1>');
    await writeFile(join(demo, 'assets', 'main-1a2b.js'), 'export {};');
    const page = await get('/', {}, { demo });
    expect(await page.text()).toBe('<h1>demo</h1>');
    const asset = await get('/assets/main-1a2b.js', {}, { demo });
    expect(asset.headers.get('cache-control')).toContain('immutable');
    expect((await get('/assets/other.js', {}, { demo })).status).toBe(404);
    expect((await get('/..%2fmade%2fresult.json', {}, { demo })).status).toBe(404);
  });

  it('says how to build the demo where it is not', async () => {
    expect(await (await get('/')).text()).toContain('pnpm@10 build');
  });

  it.each(
    ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'].flatMap((method) =>
      [
        '/',
        '/attack',
        '/models',
        '/models.json',
        '/models/a/b',
        '/assets/a',
        '/healthz',
        '/readyz',
        '/metrics',
        '/openapi.json',
        '/docs',
        '/docs/openapi-explorer.js',
      ].flatMap((path) => {
        const allow = path === '/attack' ? 'POST' : 'GET, HEAD';
        return allow.includes(method) ? [] : [[path, method, allow] as const];
      }),
    ),
  )('%s rejects %s and says %s', async (path, method, allow) => {
    const response = await app().request(path, { method });
    expect([response.status, response.headers.get('allow')]).toEqual([405, allow]);
  });

  it('knows no other path', async () => {
    const response = await get('/nothing');
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ status: 404, detail: 'there is no /nothing' });
  });

  it('asks for its token where it has one, but not whether it is alive', async () => {
    const token = 'correct-horse';
    for (const path of ['/models', '/metrics', '/models/consecutive-eps0.16-seed1/attacker.onnx']) {
      const without = await get(path, {}, { token });
      expect([without.status, without.headers.get('www-authenticate')]).toEqual([
        401,
        'Bearer realm="sparring"',
      ]);
      expect((await get(path, { authorization: 'Bearer wrong' }, { token })).status).toBe(401);
      expect((await get(path, { authorization: `Bearer ${token}` }, { token })).status).toBe(200);
    }
    expect((await post(png, { 'content-type': 'image/png' }, { token })).status).toBe(401);
    expect((await get('/healthz', {}, { token })).status).toBe(200);
  });

  it('lets pages of other origins in when it is told to', async () => {
    const headers = { origin: 'https://example.org', 'access-control-request-method': 'POST' };
    const preflight = await app({ origins: ['https://example.org'] }).request('/attack', {
      method: 'OPTIONS',
      headers,
    });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([
      204,
      'https://example.org',
    ]);
    const slash = await get(
      '/models',
      { origin: 'https://example.org' },
      { origins: ['https://example.org/'] },
    );
    expect(slash.headers.get('access-control-allow-origin')).toBe('https://example.org');
    expect(() => app({ origins: ['example.org'] })).toThrow('--cors example.org is no origin');
    const allowed = await get('/models', { origin: 'https://example.org' }, { origins: ['*'] });
    expect(allowed.headers.get('access-control-allow-origin')).toBe('*');
    expect(allowed.headers.get('cross-origin-resource-policy')).toBe('cross-origin');
    const closed = await get('/models', { origin: 'https://example.org' });
    expect(closed.headers.get('access-control-allow-origin')).toBe(null);
    expect(closed.headers.get('cross-origin-resource-policy')).toBe('same-origin');
  });

  it('isolates its pages and lets them run WebAssembly and workers, of its own alone', async () => {
    for (const path of ['/', '/docs', '/models', '/nothing']) {
      const { headers } = await get(path);
      expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
      expect(headers.get('cross-origin-embedder-policy')).toBe('require-corp');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      const policy = headers.get('content-security-policy')!;
      expect(policy).toContain("script-src 'self' 'wasm-unsafe-eval';");
      expect(policy).toContain("worker-src 'self' blob:;");
      expect(policy).not.toMatch(/https?:|'unsafe-eval'/);
    }
  });

  it('logs a line a request, without the image', async () => {
    const lines: string[] = [];
    const log = pino({}, { write: (line: string) => lines.push(line) });
    await json({ images: [image], labels: [1] }, { log });
    expect(lines).toHaveLength(1);
    const line = JSON.parse(lines[0]!) as Record<string, unknown>;
    expect(line).toMatchObject({ method: 'POST', path: '/attack', status: 200 });
    expect(Object.keys(line).toSorted()).toEqual([
      'hostname',
      'id',
      'level',
      'method',
      'ms',
      'msg',
      'path',
      'pid',
      'status',
      'time',
    ]);
  });
});
