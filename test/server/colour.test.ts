import { PNG } from 'pngjs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cardOf, nestedOf } from '../../src/runtime/classifier-card.ts';
import { openModel } from '../../src/runtime/session.ts';
import type { App } from '../../src/server/index.ts';
import { openCell, type OpenCell } from '../../src/server/inference.ts';
import { attackSchemas } from '../../src/server/schemas.ts';
import { colourCard } from '../support/cards.ts';
import { colourCatalogue, colours } from '../support/colour-run.ts';
import { limits, runApp } from '../support/run-app.ts';
import '../support/run.ts';

const catalogue = colourCatalogue();
const { answer } = attackSchemas(colourCard, limits);
const image = colours();
let cell: OpenCell;
let app: App;

beforeAll(async () => {
  const { eps, models } = catalogue.cells[0]!;
  const bytes = (name: 'c1' | 'c2' | 'attacker') => models[name]!.content as Uint8Array;
  const files = { c1: bytes('c1'), c2: bytes('c2'), attacker: bytes('attacker') };
  cell = await openCell({ eps, image: colourCard.image, ...files }, 1);
  app = runApp(catalogue, cell);
});
afterAll(() => cell.close());

const post = async (type: string, body: string | Uint8Array, more: Record<string, string> = {}) =>
  await app.request('/attack', {
    method: 'POST',
    headers: { 'content-type': type, ...more },
    body: body as BodyInit,
  });
const json = (body: unknown) => post('application/json', JSON.stringify(body));

/** The image as a PNG whose pixels are opaque. */
function picture(width = 5): Uint8Array {
  const png = new PNG({ width, height: 4 });
  for (let i = 0; i < width * 4; i++) {
    const of = (channel: number): number => Math.round(255 * image[20 * channel + i]!);
    png.data.set([of(0), of(1), of(2), 255], 4 * i);
  }
  return PNG.sync.write(png);
}

it('answers images in colour as lists of channels, by one list of probabilities a class', async () => {
  const response = await json({ images: [nestedOf(image, colourCard.image)], labels: [6] });
  expect(response.status).toBe(200);
  const [result] = answer.parse(await response.json()).results;
  const expected = Array.from(image, (x) => Math.min(1, Math.max(0, x + (x > 0.5 ? 0.1 : -0.1))));
  expect((result!.attacked as number[][][]).flat(2)).toBeAllClose(expected, { atol: 1e-6 });
  expect(result!.c1.before.probabilities).toHaveLength(7);
  expect(result!.label).toBe(6);
});

it('reads the same of JSON, raw float32 and PNG', async () => {
  const answers = await Promise.all([
    json({ images: [nestedOf(image, colourCard.image)] }),
    post('application/octet-stream', new Uint8Array(image.buffer)),
    post('image/png', picture()),
  ]);
  const [first, ...others] = await Promise.all(answers.map((response) => response.json()));
  expect(first).toMatchObject({ results: [{ linf: expect.any(Number) as number }] });
  for (const other of others) expect(other).toEqual(first);
});

it('answers a picture in colour', async () => {
  const response = await post('image/png', picture(), { accept: 'image/png' });
  const { width, height, data } = PNG.sync.read(Buffer.from(await response.arrayBuffer()));
  expect([width, height]).toEqual([5, 4]);
  for (let i = 0; i < 20; i++) {
    for (let channel = 0; channel < 3; channel++) {
      const x = image[20 * channel + i]!;
      expect(Math.abs(data[4 * i + channel]! / 255 - x)).toBeLessThanOrEqual(0.1 + 1e-6);
    }
  }
});

it.each([
  ['images[0][2][3][4]', 'an odd pixel', () => post('application/octet-stream', oddPixel())],
  ['images[0]', 'two channels', () => json({ images: [nestedOf(image, colourCard.image).slice(0, 2)] })],
  ['images[0][1]', 'three rows', () => json({ images: [shorter()] })],
  ['labels[0]', 'a class too many', () => json({ images: [nestedOf(image, colourCard.image)], labels: [7] })],
  ['body', 'a picture of another size', () => post('image/png', picture(4))],
])('names %s where it gets %s', async (field, _, send) => {
  const response = await send();
  expect(response.status).toBe(422);
  expect(await response.json()).toMatchObject({ errors: [{ field }] });
});

function oddPixel(): Uint8Array {
  const odd = image.slice();
  odd[59] = 2;
  return new Uint8Array(odd.buffer);
}

function shorter() {
  const [red, green, blue] = nestedOf(image, colourCard.image) as number[][][];
  return [red, green!.slice(1), blue];
}

it('says in /models and in its document what images it takes', async () => {
  expect(await (await app.request('/models')).json()).toMatchObject({ classifier: colourCard });
  const text = await (await app.request('/openapi.json')).text();
  expect(text).toContain('Up to 4 images of 5x4 pixels');
  expect(text).toContain('Little-endian float32, 60 an image');
});

it('is told by the model file itself what images it takes', async () => {
  const model = await openModel(catalogue.cells[0]!.models.c1.content as Uint8Array, {
    device: 'cpu',
    threads: 1,
  });
  expect(cardOf(model, 'c1.onnx')).toEqual({ ...colourCard, labels: null });
  await model.close();
});

it.each([
  [{ image: ['batch', 3, 'height', 5] }, 'c1.onnx: image has the shape [batch,3,height,5]'],
  [{ picture: ['batch', 3, 4, 5] }, 'c1.onnx has no port image'],
])('rejects a model whose sizes are not known: %j', (inputs, line) => {
  expect(() => cardOf({ inputs, outputs: { logits: ['batch', 7] } }, 'c1.onnx')).toThrow(line);
});
