import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nestedOf } from '../../src/runtime/classifier-card.ts';
import { loadCatalogue, serve, type Serving } from '../../src/server/index.ts';
import { photoClasses, photoModel, photos, photoShape } from '../support/photo-model.ts';
import { inThread, preparedPhotos, type InThread } from '../support/served-model.ts';
import { digits, plainServer, untrainedRun } from '../support/server.ts';
import '../support/run.ts';

const two = photos(2);
const shape = [2, 3, 224, 224];
/** Of both images, from plain ONNX Runtime. */
let expected: Float32Array;
let folder: string;
let served: InThread;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-v2-'));
  served = await inThread(await preparedPhotos(folder));
  const session = await ort.InferenceSession.create(photoModel());
  const { probabilities } = await session.run({ image: new ort.Tensor('float32', two, shape) });
  expected = probabilities!.data as Float32Array;
  await session.release();
}, 120_000);
afterAll(async () => {
  await served.close();
  await rm(folder, { recursive: true });
});

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** A client of the Open Inference Protocol: values go and come as JSON, or as bytes behind it. */
async function infer(
  binary: { readonly in: boolean; readonly out: boolean },
  fetched: (path: string, init: RequestInit) => Response | Promise<Response>,
  path: string,
  images: Float32Array,
  sizes: readonly number[],
): Promise<readonly Tensor[]> {
  const head = JSON.stringify({
    id: 'seven',
    inputs: [
      {
        name: 'image',
        shape: sizes,
        datatype: 'FP32',
        ...(binary.in
          ? { parameters: { binary_data_size: 4 * images.length } }
          : { data: Array.from(images) }),
      },
    ],
    outputs: ['probabilities', 'logits'].map((name) => ({ name, parameters: { binary_data: binary.out } })),
  });
  const bytes = Buffer.from(images.buffer, images.byteOffset, binary.in ? images.byteLength : 0);
  const response = await fetched(path, {
    method: 'POST',
    headers: binary.in
      ? { 'inference-header-content-length': String(Buffer.byteLength(head)) }
      : { 'content-type': 'application/json' },
    body: Buffer.concat([Buffer.from(head), bytes]),
  });
  expect(response.status).toBe(200);
  const body = Buffer.from(await response.arrayBuffer());
  const length = response.headers.get('inference-header-content-length');
  const end = length === null ? body.length : Number(length);
  const answer = JSON.parse(body.subarray(0, end).toString()) as {
    id: string;
    model_version: string;
    outputs: {
      name: string;
      shape: number[];
      datatype: string;
      data?: number[];
      parameters?: { binary_data_size: number };
    }[];
  };
  expect(answer).toMatchObject({ id: 'seven', model_version: '1' });
  let at = end;
  return answer.outputs.map(({ name, shape: own, datatype, data, parameters }) => {
    expect(datatype).toBe('FP32');
    if (data) return { name, shape: own, values: Float32Array.from(data) };
    const size = parameters!.binary_data_size;
    const values = new Float32Array(new Uint8Array(body.subarray(at, at + size)).buffer);
    at += size;
    return { name, shape: own, values };
  });
}

const path = '/v2/models/photo/infer';
const app = (at: string, init?: RequestInit) => served.app().request(at, init);

describe('the Open Inference Protocol', () => {
  it.each([
    { in: false, out: false },
    { in: true, out: false },
    { in: false, out: true },
    { in: true, out: true },
  ])('answers what plain ONNX Runtime says, binary %j', async (binary) => {
    const [probabilities, logits] = await infer(binary, app, path, two, shape);
    expect([probabilities!.name, logits!.name]).toEqual(['probabilities', 'logits']);
    expect(probabilities!.shape).toEqual([2, photoClasses]);
    expect(probabilities!.values).toBeAllClose(expected, { atol: 1e-5 });
    expect(logits!.values).toBeAllClose(expected.map(Math.log), { atol: 1e-3 });
  });

  it('leaves parameters that it does not know to others, and an empty list of outputs names none', async () => {
    const body = {
      parameters: { priority: 1 },
      inputs: [
        { name: 'image', shape, datatype: 'FP32', data: [...two], parameters: { content_type: 'np' } },
      ],
      outputs: [],
    };
    const response = await app(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const { outputs } = (await response.json()) as { outputs: { name: string }[] };
    expect(outputs.map(({ name }) => name)).toEqual(['logits', 'probabilities']);
  });

  it('takes nested lists, and answers all outputs where none is named', async () => {
    const data = [nestedOf(two, photoShape, 0), nestedOf(two, photoShape, 1)];
    const response = await app(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: [{ name: 'image', shape, datatype: 'FP32', data }] }),
    });
    const { outputs } = (await response.json()) as { outputs: { name: string; data: number[] }[] };
    expect(outputs.map(({ name }) => name)).toEqual(['logits', 'probabilities']);
    expect(outputs[1]!.data).toBeAllClose(expected, { atol: 1e-5 });
  });

  it('says of itself and of its model what clients ask for', async () => {
    const get = async (at: string) => (await app(at)).json() as Promise<unknown>;
    expect(await get('/v2')).toEqual({
      name: 'sparring',
      version: '1.2.3',
      extensions: ['binary_tensor_data'],
    });
    expect(await get('/v2/health/live')).toEqual({ live: true });
    expect(await get('/v2/health/ready')).toEqual({ ready: true });
    expect(await get('/v2/models/photo/ready')).toEqual({ name: 'photo', ready: true });
    expect(await get('/v2/models/photo')).toMatchObject({
      name: 'photo',
      inputs: [{ name: 'image', datatype: 'FP32', shape: [-1, 3, 224, 224] }],
      outputs: [
        { name: 'logits', datatype: 'FP32', shape: [-1, photoClasses] },
        { name: 'probabilities', datatype: 'FP32', shape: [-1, photoClasses] },
      ],
    });
    const draining = served.app({ ready: () => false });
    expect((await draining.request('/v2/health/ready')).status).toBe(503);
  });

  const input = { name: 'image', shape: [1, 3, 224, 224], datatype: 'FP32', data: [0.5] };
  it.each([
    [422, 'inputs[0].shape', { inputs: [{ ...input, shape: [1, 3, 10, 10] }] }],
    [422, 'inputs[0].shape[0]', { inputs: [{ ...input, shape: [5, 3, 224, 224] }] }],
    [422, 'inputs[0].datatype', { inputs: [{ ...input, datatype: 'INT64' }] }],
    [422, 'inputs[0].name', { inputs: [{ ...input, name: 'x' }] }],
    [422, 'inputs[0].data', { inputs: [input] }],
    [422, 'inputs[0].data', { inputs: [{ ...input, data: ['a'] }] }],
    [422, 'outputs[0].name', { inputs: [input], outputs: [{ name: 'x' }] }],
    [
      422,
      'inputs[0].parameters.binary_data_size',
      { inputs: [{ ...input, data: undefined, parameters: { binary_data_size: 4 } }] },
    ],
  ])('answers %i and names %s, where its clients look for it', async (status, field, body) => {
    const response = await app(path, { method: 'POST', body: JSON.stringify(body) });
    expect(response.status).toBe(status);
    const answer = (await response.json()) as { error: string };
    expect(answer).toMatchObject({ errors: [{ field }] });
    expect(answer.error).toContain(field);
  });

  it('rejects values that are scaled already, a length that is none, and another model', async () => {
    const odd = two.slice(0, two.length / 2);
    odd[3] = -1.5;
    const body = JSON.stringify({ inputs: [{ ...input, data: Array.from(odd) }] });
    const scaled = await app(path, { method: 'POST', body });
    expect(await scaled.json()).toMatchObject({ errors: [{ field: 'inputs[0].data[3]', value: '-1.5' }] });
    for (const length of ['x', '-1', '1e1', '99999999']) {
      const headers = { 'inference-header-content-length': length };
      expect((await app(path, { method: 'POST', headers, body })).status).toBe(422);
    }
    expect((await app('/v2/models/none/infer', { method: 'POST', body })).status).toBe(404);
    expect((await app('/v2/models/none')).status).toBe(404);
  });

  it.each([
    ['POST', '/v2/repository/index', 404],
    ['GET', '/v2/models/photo/config', 404],
    ['GET', '/v2/nothing', 404],
    ['DELETE', '/v2', 405],
  ])('answers %s %s with an error where its clients look for it', async (method, at, status) => {
    const response = await app(at, { method });
    expect(response.status).toBe(status);
    const { error, detail } = (await response.json()) as { error: string; detail: string };
    expect(error).toBe(detail);
  });

  it('asks for the token of the server, but not for health', async () => {
    const locked = served.app({ token: 'secret' });
    expect((await locked.request('/v2/models/photo')).status).toBe(401);
    expect((await locked.request(path, { method: 'POST', body: '{}' })).status).toBe(401);
    expect((await locked.request('/v2/health/ready')).status).toBe(200);
  });
});

describe('the classifiers of a run', () => {
  let server: Serving;
  beforeAll(async () => {
    await untrainedRun(join(folder, 'run'), [{ eps: 0.16, clip: true }]);
    server = await serve({
      catalogue: await loadCatalogue(join(folder, 'run')),
      ...plainServer,
      openCells: 2,
      limits: { images: 8, body: 400_000 },
    });
  }, 120_000);
  afterAll(() => server.drain());

  it('answer as well, each under its name', async () => {
    const name = 'consecutive-eps0.16-seed1';
    for (const place of ['c1', 'c2']) {
      const model = `http://127.0.0.1:${server.port}/v2/models/${name}-${place}`;
      expect((await fetch(`${model}/ready`)).status).toBe(200);
      const images = digits(3);
      const binary = { in: true, out: true };
      const [probabilities] = await infer(binary, fetch, `${model}/infer`, images, [3, 1, 28, 28]);
      const session = await ort.InferenceSession.create(
        join(folder, 'run', name, `classifier-${place}.onnx`),
      );
      const plain = await session.run({ image: new ort.Tensor('float32', images, [3, 1, 28, 28]) });
      await session.release();
      expect(probabilities!.values).toBeAllClose(plain['probabilities']!.data as Float32Array, {
        atol: 1e-5,
      });
    }
  }, 120_000);
});
