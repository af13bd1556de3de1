import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { PNG } from 'pngjs';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { constant, matmul, reshape, round, tensorOf } from '../../src/builder/index.ts';
import { attackerFile } from '../../src/cli/attacker/programs.ts';
import { prepareModel } from '../../src/cli/serve/prepare.ts';
import { attackerUse, type AttackerPlan } from '../../src/models/attackers.ts';
import type { AttackerCard } from '../../src/runtime/attacker/card.ts';
import { attackNames, type AttackName } from '../../src/runtime/attacks/index.ts';
import { nestedOf } from '../../src/runtime/classifier-card.ts';
import { fitPicture, type FitOptions } from '../../src/runtime/data/fit.ts';
import { decodePicture } from '../../src/runtime/data/picture.ts';
import { stream } from '../../src/runtime/random.ts';
import { float32 } from '../../src/runtime/tensor.ts';
import type { ModelCatalogue } from '../../src/server/index.ts';
import { modelSchemas, type ModelSchemas } from '../../src/server/model/schemas.ts';
import { modelOf } from '../support/classifiers.ts';
import { photoClasses, photoModel, photos, photoShape, photoValues } from '../support/photo-model.ts';
import { inThread, preparedPhotos, serving, type InThread } from '../support/served-model.ts';
import { untrainedRun } from '../support/server.ts';
import '../support/run.ts';

const limits = { images: 4 };
const eps = 8 / 255;
const two = photos(2);
const one = two.subarray(0, photoValues);

let folder: string;
let catalogue: ModelCatalogue;
let schemas: ModelSchemas;
let served: InThread;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-model-'));
  catalogue = await preparedPhotos(folder);
  schemas = modelSchemas(catalogue, limits);
  served = await inThread(catalogue);
}, 120_000);
afterAll(async () => {
  await served.close();
  await rm(folder, { recursive: true });
});

const post = async (body: Uint8Array | string | FormData, type: string | null, query = '', accept = '*/*') =>
  await served.app().request(`/attack${query}`, {
    method: 'POST',
    headers: { ...(type !== null && { 'content-type': type }), accept },
    body: body as BodyInit,
  });
const raw = (images: Float32Array, query = '', accept = '*/*') =>
  post(new Uint8Array(images.slice().buffer), 'application/octet-stream', query, accept);
const json = (body: unknown) => post(JSON.stringify(body), 'application/json');
const answered = async (response: Response) => {
  expect(response.status).toBe(200);
  return schemas.answer.parse(await response.json());
};
const flat = (of: unknown): number[] => (of as number[][][]).flat(2);

/** What plain ONNX Runtime says of images, by the file that a person brings. */
async function probabilitiesOf(images: Float32Array): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(photoModel());
  const shape = [images.length / photoValues, 3, 224, 224];
  const { probabilities } = await session.run({ image: new ort.Tensor('float32', images, shape) });
  await session.release();
  return probabilities!.data as Float32Array;
}

/** Answers are too long to be shown where they differ. */
const hashOf = async (response: Response | Promise<Response>): Promise<string> =>
  createHash('sha256')
    .update(new Uint8Array(await (await response).arrayBuffer()))
    .digest('hex');

const largest = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((a, b) => Math.max(a, Math.abs(b)), 0);

/** Few steps of each. A missing row does not compile. */
const quick: { readonly [N in AttackName]: string | null } = {
  noise: '',
  fgsm: '',
  pgd: '&steps=2&restarts=2',
  'pgd-adam': '&steps=2',
  'mi-fgsm': '&steps=2&decay=0.5',
  apgd: '&steps=2&loss=dlr',
  'apgd-t': '&steps=2&targets=1',
  fab: '&steps=2&targets=1',
  // it trains first, which a server does not
  transfer: null,
  square: '&queries=4',
  // needs a file of its own
  generator: null,
  universal: null,
};
describe('an attack on a model of 3x224x224', () => {
  it('answers what plain ONNX Runtime says before and after, and fools it', async () => {
    const { results, queries, attack, norm } = await answered(await raw(two, '?steps=8&top=7'));
    expect({ attack: attack.name, norm, queries }).toEqual({
      attack: 'pgd',
      norm: 'linf',
      queries: { forward: 0, backward: 16 },
    });
    for (const [i, result] of results.entries()) {
      const image = two.subarray(i * photoValues, (i + 1) * photoValues);
      const attacked = Float32Array.from(flat(result.attacked));
      const sides = [
        [result.before, await probabilitiesOf(image)],
        [result.after, await probabilitiesOf(attacked)],
      ] as const;
      for (const [said, expected] of sides) {
        const own = Array.from({ length: photoClasses }, (_, c) => said.top.find((row) => row.class === c)!);
        expect(own.map(({ probability }) => probability!)).toBeAllClose(expected, { atol: 1e-4 });
        expect(said.class).toBe(expected.indexOf(Math.max(...expected)));
      }
      expect(result.success).toBe(result.before.class !== result.after.class);
      const change = attacked.map((value, at) => value - image[at]!);
      expect(flat(result.perturbation)).toBeAllClose(change, { atol: 1e-6 });
      expect(largest(change)).toBeLessThanOrEqual(eps + 1e-6);
      expect(largest(change)).toBeGreaterThan(0.9 * eps);
      expect(result.linf).toBeCloseTo(largest(change), 6);
    }
    expect(results.filter(({ success }) => success).length).toBeGreaterThan(0);
  });

  it('answers raw values and a picture of the same images', async () => {
    const [first] = (await answered(await raw(one, '?steps=3'))).results;
    const bytes = await raw(one, '?steps=3', 'application/octet-stream');
    expect(bytes.headers.get('sparring-shape')).toBe('1,3,224,224');
    expect(bytes.headers.get('sparring-after')).toBe(String(first!.after.class));
    const values = new Float32Array(await bytes.arrayBuffer());
    expect(values).toBeAllClose(flat(first!.attacked), { atol: 1e-7 });

    const picture = await raw(one, '?steps=3', 'image/png');
    expect(picture.headers.get('content-type')).toBe('image/png');
    const png = Buffer.from(await picture.arrayBuffer());
    const { data, width, height } = PNG.sync.read(png);
    expect([width, height]).toEqual([224, 224]);
    const far = Array.from({ length: photoValues }, (_, at) => {
      const [channel, pixel] = [Math.floor(at / (224 * 224)), at % (224 * 224)];
      return data[4 * pixel + channel]! / 255 - one[at]!;
    });
    expect(largest(far)).toBeLessThanOrEqual(eps + 1e-6);
    expect(largest(far)).toBeGreaterThan(0);

    const webp = await raw(one, '?steps=3', 'image/webp');
    expect(webp.headers.get('content-type')).toBe('image/webp');
    expect(webp.headers.get('sparring-linf')).toBe(picture.headers.get('sparring-linf'));
    const bytes8 = Buffer.from(await webp.arrayBuffer());
    expect((await sharp(bytes8).metadata()).format).toBe('webp');
    expect((await decodePicture(bytes8)).rgb).toEqual((await decodePicture(png)).rgb);
  });

  it('answers no JPEG, which would change more than eps allows, and says what there is', async () => {
    const response = await raw(one, '?attack=noise', 'image/jpeg');
    expect(response.status).toBe(406);
    expect(await response.json()).toMatchObject({
      errors: [{ limit: ['application/json', 'image/png', 'image/webp', 'application/octet-stream'] }],
    });
  });

  it('reads the same of JSON, raw values and a picture of the size', async () => {
    const png = await sharp(bytesOf(one), { raw: { width: 224, height: 224, channels: 3 } })
      .png()
      .toBuffer();
    const answers = await Promise.all([
      raw(one, '?attack=fgsm').then(answered),
      json({ images: [nestedOf(one, photoShape)], attack: 'fgsm' }).then(answered),
      post(new Uint8Array(png), 'image/png', '?attack=fgsm').then(answered),
    ]);
    expect(flat(answers[1]!.results[0]!.attacked)).toBeAllClose(flat(answers[0]!.results[0]!.attacked));
    expect(flat(answers[2]!.results[0]!.attacked)).toBeAllClose(flat(answers[0]!.results[0]!.attacked), {
      atol: 1e-6,
    });
  });

  it('gives the same bytes for the same request, whoever asks at the same time', async () => {
    const query = '?attack=apgd&steps=2&seed=5';
    const alone = await hashOf(raw(one, query));
    const all = await Promise.all([raw(two, '?steps=1'), raw(one, query), raw(one, query)]);
    expect(await hashOf(all[1]!)).toBe(alone);
    expect(await hashOf(all[2]!)).toBe(alone);
    expect(await hashOf(raw(one, '?attack=apgd&steps=2&seed=6'))).not.toBe(alone);
  });

  const sizes = { linf: eps, l2: 1 } as const;

  it.each(attackNames.flatMap((name) => (quick[name] === null ? [] : [name])))(
    'runs %s, and stays within eps in each of its norms',
    async (name) => {
      const card = (await (await served.app().request('/models')).json()) as {
        attacks: { name: string; norms: ('linf' | 'l2')[] }[];
      };
      for (const norm of card.attacks.find((attack) => attack.name === name)!.norms) {
        const query = `?attack=${name}&norm=${norm}&eps=${sizes[norm]}${quick[name]!}`;
        const response = await raw(one, query, 'application/octet-stream');
        expect(response.status).toBe(200);
        const change = new Float32Array(await response.arrayBuffer()).map((x, at) => x - one[at]!);
        const length = { linf: largest(change), l2: Math.sqrt(change.reduce((sum, x) => sum + x * x, 0)) }[
          norm
        ];
        expect(length).toBeLessThanOrEqual(sizes[norm] + 1e-6);
        expect(Number(response.headers.get(`sparring-${norm}`))).toBeCloseTo(length, 5);
        const [forward, backward] = response.headers.get('sparring-queries')!.split(',').map(Number);
        expect(forward! + backward!).toBeGreaterThanOrEqual(name === 'noise' ? 0 : 1);
      }
    },
    60_000,
  );

  it('goes for a target, by one class for all images', async () => {
    const { results } = await answered(await raw(two, '?target=2&steps=8&eps=24/255'));
    expect(results.map(({ target }) => target)).toEqual([2, 2]);
    for (const { success, after } of results) expect(success).toBe(after.class === 2);
    expect(results.some(({ success }) => success)).toBe(true);
  });

  it('does not call it a success where the classifier was wrong before', async () => {
    const [{ before } = { before: { class: 0 } }] = (await answered(await raw(one, '?attack=noise'))).results;
    const wrong = (before.class! + 1) % photoClasses;
    const [result] = (await answered(await raw(one, `?labels=${wrong}&steps=1`))).results;
    expect(result).toMatchObject({ label: wrong, success: null });
  });

  it('is compressed for clients that take gzip', async () => {
    const response = await served.app().request('/attack?attack=noise', {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', 'accept-encoding': 'gzip' },
      body: new Uint8Array(one.slice().buffer),
    });
    expect(response.headers.get('content-encoding')).toBe('gzip');
  });

  it.each([
    ['eps', '?eps=1.5'],
    ['eps', '?eps=0'],
    ['eps', '?eps=8/0'],
    ['eps', '?norm=l2'],
    ['steps', '?steps=101'],
    ['steps', '?steps=0'],
    ['steps', '?attack=fgsm&steps=3'],
    ['queries', '?attack=square&queries=1001'],
    ['stepSize', '?attack=pgd-adam&stepSize=0'],
    ['loss', '?attack=apgd&loss=none'],
    ['norm', '?attack=pgd-adam&norm=l2&eps=1'],
    ['attack', '?attack=magic'],
    ['attack', '?attack=generator'],
    ['labels[0]', '?labels=7'],
    ['labels', '?labels=1,2'],
    ['target', '?target=1,2,3'],
    ['target', '?target=1&attack=apgd-t'],
    ['top', '?top=8'],
    ['x', '?x=1'],
  ])('names %s in the rejection of %s', async (field, query) => {
    const response = await raw(one, query);
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ errors: [{ field }] });
  });

  it('says which sizes and types it takes', async () => {
    const small = await sharp(Buffer.alloc(3 * 100 * 80), { raw: { width: 100, height: 80, channels: 3 } })
      .jpeg()
      .toBuffer();
    const size = await post(new Uint8Array(small), 'image/jpeg');
    expect(size.status).toBe(422);
    expect(await size.json()).toMatchObject({
      errors: [{ field: 'body', value: '100x80', limit: '224x224' }],
    });
    const damaged = await post(new Uint8Array(small.subarray(0, 300)), 'image/jpeg');
    expect(damaged.status).toBe(400);
    expect((await post('x', 'text/plain')).status).toBe(415);
    expect((await raw(one.subarray(1))).status).toBe(422);
    for (const type of ['image/png', 'image/webp']) expect((await raw(two, '', type)).status).toBe(422);
    expect((await raw(one, '', 'text/html')).status).toBe(406);
  });
});

const bytesOf = (image: Float32Array): Buffer => {
  const pixels = 224 * 224;
  return Buffer.from(
    Uint8Array.from({ length: photoValues }, (_, at) =>
      Math.round(255 * image[(at % 3) * pixels + Math.floor(at / 3)]!),
    ),
  );
};

describe('pictures of any size', () => {
  it.each(['png', 'jpeg', 'webp'] as const)('are fitted as an audit fits them: %s', async (format) => {
    const fitted = await inThread({ ...catalogue, fit: {} });
    const picture = await sharp(bytesOf(one), { raw: { width: 224, height: 224, channels: 3 } })
      .resize(300, 260, { fit: 'fill' })
      .toFormat(format)
      .toBuffer();
    const form = new FormData();
    form.append('images', new Blob([new Uint8Array(picture)]), 'a');
    form.append('attack', 'noise');
    const response = await fitted.app().request('/attack', { method: 'POST', body: form });
    const [result] = (await answered(response)).results;
    const expected = fitPicture(await decodePicture(picture), photoShape);
    const perturbation = flat(result!.perturbation);
    const image = flat(result!.attacked).map((value, at) => value - perturbation[at]!);
    expect(image).toBeAllClose(
      Array.from(expected, (byte) => byte / 255),
      { atol: 1e-6 },
    );
    await fitted.close();
  });

  it('are resized as a file beside the model says, unless --resize has a length', async () => {
    const beside = join(folder, 'beside');
    await mkdir(beside);
    const path = join(beside, 'mean.onnx');
    await writeFile(
      path,
      modelOf('logits', (x) => reshape(x, [-1, 784])),
    );
    const processor = { size: { height: 28, width: 28 }, resample: 3 };
    await writeFile(join(beside, 'preprocessor_config.json'), JSON.stringify(processor));
    const fitOf = async (fit: FitOptions | null) =>
      (await prepareModel(serving(path, { fit, attacks: ['noise'] }), join(beside, 'prepared'))).fit;
    expect(await fitOf({})).toEqual({ resize: [28, 28], interpolation: 'bicubic' });
    expect(await fitOf({ resize: 32 })).toEqual({ resize: 32, interpolation: 'bicubic' });
    expect(await fitOf(null)).toBeNull();
  });

  it('are rejected when they have more pixels than any camera gives', async () => {
    const huge = await sharp({
      create: { width: 9000, height: 9000, channels: 3, background: 'black' },
    })
      .png()
      .toBuffer();
    const response = await post(new Uint8Array(huge), 'image/png');
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('has more than 67 million pixels');
  });
});

describe('what is offered', () => {
  it('stands in /models: the classifier, the attacks, their settings and bounds', async () => {
    const response = await served.app().request('/models');
    const body = (await response.json()) as Record<string, unknown>;
    schemas.manifest.parse(body);
    expect(body).toMatchObject({
      model: { name: 'photo', noGradient: null },
      classifier: { image: photoShape, classes: photoClasses, labels: null },
      pictures: 'exact',
      defaults: { attack: 'pgd', norm: 'linf' },
      limits: { images: 4, eps: { linf: 1 } },
      server: { attack: 'attack', infer: 'v2/models/photo/infer' },
    });
    const attacks = body['attacks'] as { name: string; settings: Record<string, unknown> }[];
    expect(attacks.map(({ name }) => name).toSorted()).toEqual(
      attackNames.filter((name) => quick[name] !== null).toSorted(),
    );
    expect(attacks.find(({ name }) => name === 'square')!.settings['queries']).toEqual({
      default: 1000,
      type: ['integer'],
      minimum: 1,
      maximum: 1000,
    });
  });

  it('is what a model without a gradient allows', async () => {
    const weight = constant(
      tensorOf(
        'float32',
        [784, 3],
        Array.from({ length: 784 * 3 }, (_, i) => Math.sin(i)),
      ),
    );
    const path = join(folder, 'stepped.onnx');
    await writeFile(
      path,
      modelOf('logits', (x) => round(matmul(reshape(x, [-1, 784]), weight))),
    );
    const { attacks, noGradient } = await prepareModel(serving(path), join(folder, 'stepped'));
    expect(noGradient).toContain('Round');
    expect(attacks.names).toEqual(['square', 'noise']);
    const asked = prepareModel(serving(path, { attack: 'pgd' }), join(folder, 'stepped'));
    await expect(asked).rejects.toThrow('pgd needs gradients of the classifier');
  });

  it('holds the attacker of a run, by its file', async () => {
    const run = join(folder, 'run');
    await untrainedRun(run, [{ eps: 0.16, clip: true }]);
    const cell = join(run, 'consecutive-eps0.16-seed1');
    const model = serving(join(cell, 'classifier-c1.onnx'), { eps: 0.16, attack: 'generator' });
    await expect(prepareModel(model, join(folder, 'none'))).rejects.toThrow('name its file with --attacker');
    const attacker = join(cell, 'attacker.onnx');
    const own = await prepareModel({ ...model, attackers: [attacker] }, join(folder, 'own'));
    const opened = await inThread(own);
    const image = new Float32Array(784).fill(0.5);
    const response = await opened.app().request('/attack', {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: new Uint8Array(image.buffer),
    });
    const [result] = ((await response.json()) as { results: { perturbation: number[][] }[] }).results;
    const session = await ort.InferenceSession.create(attacker);
    const { perturbation } = await session.run({ image: new ort.Tensor('float32', image, [1, 1, 28, 28]) });
    expect(result!.perturbation.flat()).toBeAllClose(perturbation!.data as Float32Array, { atol: 1e-6 });
    await opened.close();
    const wrong = prepareModel({ ...model, attackers: [model.path] }, join(folder, 'wrong'));
    await expect(wrong).rejects.toThrow('is no attacker of sparring');
    expect(own.attacks.names).not.toContain('universal');
    const photo = serving(join(folder, 'photo.onnx'), { attackers: [attacker] });
    await expect(prepareModel(photo, join(folder, 'wrong'))).rejects.toThrow(
      `${attacker}: attacks images of 1x28x28, the classifier takes 3x224x224; train another`,
    );
  });

  it('attacks with a network and a perturbation that train-attacker wrote', async () => {
    const plan = { image: photoShape, classes: photoClasses, bound: 'tanh', width: 1 } as const;
    const attackers: string[] = [];
    for (const kind of ['generator', 'universal'] as const) {
      const targeted = kind === 'universal';
      const own: AttackerPlan = { ...plan, kind, targeted, eps: [0, eps] };
      const state = new Map(
        attackerUse(own).metadata.frozen.map(({ name, shape: dims }, i) => {
          const random = stream(i, kind);
          const shape = dims.map(Number);
          const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).map(() => 0.5 + random.uniform());
          return [name, float32(shape, data)] as const;
        }),
      );
      const card: AttackerCard = {
        schema: 1,
        ...own,
        eps: [0, eps],
        image: { ...photoShape },
        width: null,
        against: [],
        training: {
          data: { name: 'none', sha256: '', images: 1 },
          epochs: 1,
          batchSize: 1,
          learningRate: 1,
          objective: 'ce',
          spread: 0,
          seed: 1,
        },
        measured: [],
      };
      const file = join(folder, `${kind}.onnx`);
      await writeFile(file, attackerFile(own, state, card));
      attackers.push(file);
    }
    const model = serving(join(folder, 'photo.onnx'), { attackers, attacks: ['generator', 'universal'] });
    const prepared = await prepareModel(model, join(folder, 'both'));
    // the same model beside another attacker is not what a worker has open
    const alone = await prepareModel(
      { ...model, attackers: attackers.slice(1), attacks: ['universal'] },
      join(folder, 'alone'),
    );
    expect(alone.sha256).toBe(prepared.sha256);
    expect(alone.source.id).not.toBe(prepared.source.id);
    const opened = await inThread(prepared);
    const aimed = (name: string) =>
      opened.app().request(`/attack?attack=${name}&target=0`, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body: new Uint8Array(one.slice().buffer),
      });
    // only the second was trained to aim
    expect([(await aimed('generator')).status, (await aimed('universal')).status]).toEqual([422, 200]);
    for (const name of ['generator', 'universal']) {
      const response = await opened.app().request(`/attack?attack=${name}`, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body: new Uint8Array(one.slice().buffer),
      });
      const text = await response.text();
      expect(text).not.toContain('detail');
      const { attack, results } = schemas.answer.parse(JSON.parse(text));
      expect(attack.name).toBe(name);
      expect(results[0]!.linf).toBeGreaterThan(0);
      expect(results[0]!.linf).toBeLessThanOrEqual(eps + 1e-6);
    }
    await opened.close();
  });
});
