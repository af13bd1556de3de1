import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { openClassifier, type OpenClassifier, type OpenOptions } from '../../src/index.ts';
import { openLoaded } from '../../src/api/classifier.ts';
import { loadClassifier } from '../../src/api/load.ts';
import { node } from '../../src/api/node.ts';
import { compareSteps, readInside, type Inside } from '../../src/api/parting.ts';
import type { Classifier } from '../../src/models/classifier/classifier.ts';
import { valueInfo } from '../../src/onnx/encode.ts';
import { DataType, encodeModel, type Message } from '../../src/onnx/proto.ts';
import { stream } from '../../src/runtime/random.ts';
import { around, elsewhere, splitWeights } from '../support/elsewhere.ts';
import { foreignFile, foreignProto, protoNode, type ForeignNode } from '../support/foreign.ts';
import { oracleOf, smallClassifier } from '../support/oracles.ts';
import { between } from '../support/run.ts';
import type { OpenOracle } from '../../src/runtime/audit/oracle.ts';

const size = { channels: 3, height: 6, width: 6 } as const;
const classes = 4;
const count = 5;
const classifier = smallClassifier(stream(1, 'foreign'), size, classes);
const shape = [count, 3, 6, 6] as const;
// multiples of 1/255, so that bytes hold them
const data = Float32Array.from(
  { length: count * 108 },
  (
    (next) => () =>
      Math.floor(next()) / 255
  )(between(stream(2, 'foreign'), 0, 256)),
);
const images = { data, shape };
const labels = Int32Array.of(0, 1, 2, 3, 0);
let known: OpenOracle;
beforeAll(async () => {
  known = await oracleOf(classifier, size);
});
afterAll(() => known.close());

const x = (dims: b.Shape, dtype: b.DType = 'float32'): b.Value => b.input('input.1', dtype, dims);
const nchw = (batch: b.Dim): b.Shape => [batch, 3, 6, 6];
const perChannel = (values: readonly number[]): b.Value =>
  b.constant(b.tensorOf('float32', [1, 3, 1, 1], values));
const mean = [0.485, 0.456, 0.406];
const std = [0.229, 0.224, 0.225];
const toPixels = (v: b.Value): b.Value => b.add(b.mul(v, perChannel(std)), perChannel(mean));
const swapped = (v: b.Value): b.Value =>
  b.concat(
    [2, 1, 0].map((c) => b.slice(v, [c], [c + 1], [1])),
    1,
  );

type Case = readonly [what: string, graph: b.Graph, options?: OpenOptions];
const cases: readonly Case[] = [
  ['other names', around(classifier, x(nchw('N')))],
  ['NHWC', around(classifier, x(['N', 6, 6, 3]), (v) => b.transpose(v, [0, 3, 1, 2]))],
  ['flat images', around(classifier, x(['N', 108]), (v) => b.reshape(v, [-1, 3, 6, 6]))],
  ['flat images with an axis of 1', around(classifier, x(['N', 108, 1]), (v) => b.reshape(v, [-1, 3, 6, 6]))],
  [
    'flat NHWC images',
    around(classifier, x(['N', 108]), (v) => b.transpose(b.reshape(v, [-1, 6, 6, 3]), [0, 3, 1, 2])),
    { layout: 'nhwc' },
  ],
  ['a batch fixed to 1', around(classifier, x(nchw(1)))],
  ['a batch fixed to 2', around(classifier, x(nchw(2)))],
  [
    'a batch fixed inside',
    around(classifier, x(nchw(1)), undefined, (y) => ({ y: b.reshape(b.reshape(y, [1, 2, 2]), [1, 4]) })),
  ],
  [
    'a batch of 1 that cannot be loosened',
    around(classifier, x(nchw(1)), (v) => b.reshape(b.reshape(v, [108]), [1, 3, 6, 6])),
  ],
  ['pixels 0..255 that it scales itself', around(classifier, x(nchw('N')), (v) => b.div(v, 255))],
  [
    'pixels 0..255 that it is said to take',
    around(classifier, x(nchw('N')), (v) => b.mul(v, 1 / 255)),
    { scale: '0..255' },
  ],
  ['pixels -1..1', around(classifier, x(nchw('N')), (v) => b.add(b.mul(v, 0.5), 0.5)), { scale: '-1..1' }],
  ['pixels with mean and std', around(classifier, x(nchw('N')), (v) => toPixels(v)), { mean, std }],
  ['BGR', around(classifier, x(nchw('N')), swapped), { channels: 'bgr' }],
  ['bytes', around(classifier, x(nchw('N'), 'uint8'), (v) => b.div(b.cast(v, 'float32'), 255))],
  [
    'bytes in NHWC',
    around(classifier, x(['N', 6, 6, 3], 'uint8'), (v) =>
      b.div(b.cast(b.transpose(v, [0, 3, 1, 2]), 'float32'), 255),
    ),
  ],
  ['a height and a width that are open', around(classifier, x(nchw('N'))), { size: [6, 6] }],
  [
    'logits [N,C,1,1]',
    around(classifier, x(nchw('N')), undefined, (y) => ({ y: b.reshape(y, [-1, 4, 1, 1]) })),
  ],
  [
    'several outputs, one of them named',
    around(classifier, x(nchw('N')), undefined, (y) => ({ a: b.neg(y), y })),
    { output: 'y' },
  ],
  [
    'several outputs of which one has classes',
    around(classifier, x(nchw('N')), undefined, (y) => ({ features: b.reshape(b.neg(y), [-1, 2, 2]), y })),
  ],
  [
    'several outputs with logits among them',
    around(classifier, x(nchw('N')), undefined, (y) => ({ probabilities: b.softmax(y), logits: y })),
  ],
];

const opened = async (
  bytes: Uint8Array,
  options: OpenOptions,
  use: (opened: OpenClassifier) => Promise<void>,
) => {
  const found = await openClassifier(bytes, { threads: 1, ...options });
  await use(found).finally(() => found.close());
};

/** The known classifier's logits and gradients. */
async function expectSame({ image, logits, gradient }: OpenClassifier): Promise<void> {
  expect(image).toEqual(size);
  expect((await logits(images)).data).toBeAllClose((await known.logits(images)).data, { atol: 1e-4 });
  const batch = { images, labels };
  const [ours, theirs] = [await gradient!(batch, 'ce'), await known.gradient!(batch, 'ce')];
  expect(ours.logits.data).toBeAllClose(theirs.logits.data, { atol: 1e-4 });
  expect(ours.loss).toBeAllClose(theirs.loss, { atol: 1e-4 });
  expect(ours.gradient.shape).toEqual(shape);
  expect(ours.gradient.data).toBeAllClose(theirs.gradient.data, { atol: 1e-4 });
}

describe('a classifier from elsewhere gives the logits and gradients of the same network here:', () => {
  test.for(cases)('%s', ([, graph, options = {}]) => opened(elsewhere(graph), options, expectSame));
});

describe('what a classifier makes of its logits is taken off:', () => {
  type End = readonly [what: string, f: (logits: b.Value) => b.Value, form: RegExp];
  test.for<End>([
    ['a softmax', (y) => b.softmax(y), /probabilities of a softmax/],
    [
      'a softmax behind a shape',
      (y) => b.reshape(b.softmax(b.reshape(y, [-1, 4, 1, 1]), 1), [-1, 4]),
      /probabilities of a softmax/,
    ],
    ['a softmax that is called logits', (y) => b.softmax(y), /probabilities of a softmax/],
    [
      'a softmax kept from 0 and 1',
      (y) => b.clip(b.softmax(y), 1e-7, 1 - 1e-7),
      /of a softmax, rounded or limited/,
    ],
    ['a log-softmax', (y) => b.logSoftmax(y), /logarithms/],
  ])('%s', ([what, f, form]) => {
    const name = what.endsWith('logits') ? 'logits' : 'y';
    const graph = around(classifier, x(nchw('N')), undefined, (y) => ({ [name]: f(y) }));
    return opened(elsewhere(graph), {}, async ({ logits, gradient, origin }) => {
      expect(origin.facts.find(({ about }) => about === 'output')?.text).toMatch(form);
      // equal up to what all classes of an image share
      const centred = (values: Float32Array) => values.map((z, i) => z - values[i - (i % classes)]!);
      const expected = (await known.logits(images)).data;
      expect(centred((await logits(images)).data)).toBeAllClose(centred(expected), { atol: 1e-3 });
      const [ours, theirs] = [
        await gradient!({ images, labels }, 'gap'),
        await known.gradient!({ images, labels }, 'gap'),
      ];
      expect(ours.logits.data).toBeAllClose(expected, { atol: 1e-4 });
      expect(ours.gradient.data).toBeAllClose(theirs.gradient.data, { atol: 1e-4 });
    });
  });

  /** A linear classifier whose file goes on behind its logits `z`, to `y`. */
  function behind(outputs: number, nodes: readonly ForeignNode[], more: Record<string, b.Tensor> = {}) {
    const next = between(stream(5, 'foreign'), -4, 4);
    const w = b.tensorOf('float32', [108, outputs], Array.from({ length: 108 * outputs }, next));
    return foreignFile({
      opset: 13,
      inputs: [{ name: 'x', type: { dtype: 'float32', shape: nchw('N') } }],
      nodes: [
        { op: 'Flatten', inputs: ['x'], outputs: ['flat'] },
        { op: 'MatMul', inputs: ['flat', 'w'], outputs: ['z'] },
        ...nodes,
      ],
      weights: { w, ...more },
      outputs: ['y'],
    });
  }
  const scales = { scale: b.tensorOf('float32', [], [1 / 255]), zero: b.tensorOf('uint8', [], [0]) };
  const quantised = (op: string): Uint8Array =>
    behind(
      op === 'Softmax' ? 4 : 1,
      [
        { op, inputs: ['z'], outputs: ['p'] },
        { op: 'QuantizeLinear', inputs: ['p', 'scale', 'zero'], outputs: ['q'] },
        { op: 'DequantizeLinear', inputs: ['q', 'scale', 'zero'], outputs: ['y'] },
      ],
      scales,
    );
  test.for<readonly [what: string, bytes: Uint8Array, form: RegExp]>([
    ['a quantised softmax', quantised('Softmax'), /probabilities of a softmax, rounded/],
    ['a quantised sigmoid', quantised('Sigmoid'), /probabilities of a sigmoid, rounded/],
    [
      'a softmax in half precision, whose small probabilities are 0',
      behind(4, [
        { op: 'Softmax', inputs: ['z'], outputs: ['p'], attributes: { axis: 1 } },
        { op: 'Cast', inputs: ['p'], outputs: ['half'], attributes: { to: 10 } },
        { op: 'Cast', inputs: ['half'], outputs: ['y'], attributes: { to: 1 } },
      ]),
      /probabilities of a softmax, rounded/,
    ],
  ])('%s', ([, bytes, form]) =>
    opened(bytes, {}, async ({ gradient, origin }) => {
      expect(origin.facts.find(({ about }) => about === 'output')?.text).toMatch(form);
      const { logits } = await gradient!({ images, labels: new Int32Array(count) }, 'ce');
      // beyond what probabilities are
      expect(Math.max(...logits.data.map(Math.abs))).toBeGreaterThan(1);
    }),
  );

  const two = smallClassifier(stream(3, 'foreign'), size, 2);
  const difference = (y: b.Value): b.Value => b.sub(b.slice(y, [1], [2], [1]), b.slice(y, [0], [1], [1]));
  test.for<End>([
    ['a sigmoid of one number', (y) => b.sigmoid(difference(y)), /above 0.5/],
    ['one number without a sigmoid', difference, /above 0$/],
    [
      'a sigmoid of one number without an axis',
      (y) => b.reshape(b.sigmoid(difference(y)), [-1]),
      /above 0.5/,
    ],
  ])('%s becomes two classes', async ([, f, form]) => {
    const oracle = await oracleOf(two, size);
    const graph = around(two, x(nchw('N')), undefined, (y) => ({ p: f(y) }));
    await opened(elsewhere(graph), {}, async ({ classes: own, logits, gradient, origin }) => {
      expect(own).toBe(2);
      expect(origin.facts.find(({ about }) => about === 'output')?.text).toMatch(form);
      const expected = (await oracle.logits(images)).data;
      const z = Array.from({ length: count }, (_, i) => [0, expected[2 * i + 1]! - expected[2 * i]!]).flat();
      expect((await logits(images)).data).toBeAllClose(z, { atol: 1e-3 });
      const batch = { images, labels: Int32Array.of(0, 1, 0, 1, 0) };
      const [ours, theirs] = [await gradient!(batch, 'ce'), await oracle.gradient!(batch, 'ce')];
      expect(ours.gradient.data).toBeAllClose(theirs.gradient.data, { atol: 1e-4 });
      expect(Math.max(...ours.gradient.data)).toBeGreaterThan(0);
    });
    await oracle.close();
  });
});

describe('colours', () => {
  test('grey images are given to a classifier of three channels', async () => {
    const grey = { data: data.subarray(0, 2 * 36), shape: [2, 1, 6, 6] as const };
    const three = Float32Array.from(
      { length: 2 * 108 },
      (_, i) => grey.data[Math.floor(i / 108) * 36 + (i % 36)]!,
    );
    await opened(
      elsewhere(around(classifier, x(nchw('N')))),
      { channels: 'grey' },
      async ({ image, logits, gradient }) => {
        expect(image.channels).toBe(1);
        const batch = { images: { data: three, shape: [2, 3, 6, 6] as const }, labels: Int32Array.of(0, 1) };
        expect((await logits(grey)).data).toBeAllClose((await known.logits(batch.images)).data, {
          atol: 1e-4,
        });
        const ours = await gradient!({ ...batch, images: grey }, 'ce');
        const { gradient: theirs } = await known.gradient!(batch, 'ce');
        // the derivative in a grey pixel is the sum of those in its three colours
        const sum = grey.data.map((_, i) => {
          const at = Math.floor(i / 36) * 108 + (i % 36);
          return theirs.data[at]! + theirs.data[at + 36]! + theirs.data[at + 72]!;
        });
        expect(ours.gradient.data).toBeAllClose(sum, { atol: 1e-4 });
      },
    );
  });
});

/** A linear classifier [n,3,6,6] -> [n,3] of another tool, with nodes before it that give [n,features]. */
function linear(features: number, nodes: readonly ForeignNode[]): Message<'Model'> {
  const draw = between(stream(5, 'foreign'), -1, 1);
  const w = b.tensorOf('float32', [features, 3], Array.from({ length: 3 * features }, draw));
  const proto = foreignProto({
    opset: 17,
    inputs: [
      { name: 'x', type: { dtype: 'float32', shape: ['n', 3, 6, 6] } },
      // files of the first versions list their weights among the inputs
      { name: 'w', type: w },
    ],
    nodes: [
      ...nodes,
      { op: 'MatMul', inputs: ['features', 'w'], outputs: ['z'] },
      { op: 'Softmax', inputs: ['z'], outputs: ['p'] },
    ],
    weights: { w },
    outputs: [],
  });
  const output = [valueInfo('p', { dtype: 'float32', shape: ['n', 3] })];
  return { ...proto, graph: { ...proto.graph, output } };
}

test('weights among the inputs are no inputs', () => {
  const flatten = { op: 'Flatten', inputs: ['x'], outputs: ['features'] };
  return opened(encodeModel(linear(108, [flatten])), {}, async ({ classes: own, gradient }) => {
    expect(own).toBe(3);
    const { gradient: slope } = await gradient!({ images, labels: Int32Array.of(0, 1, 2, 0, 1) }, 'ce');
    expect(Math.max(...slope.data)).toBeGreaterThan(0);
  });
});

test('what is tiled to the batch leaves it open', async () => {
  const bytes = encodeModel(
    linear(108, [
      { op: 'Flatten', inputs: ['x'], outputs: ['flat'] },
      { op: 'Shape', inputs: ['flat'], outputs: ['shape'] },
      { op: 'ReduceMean', inputs: ['w'], outputs: ['mean'] },
      { op: 'Tile', inputs: ['mean', 'shape'], outputs: ['means'] },
      { op: 'Add', inputs: ['flat', 'means'], outputs: ['features'] },
    ]),
  );
  expect((await loadClassifier(node, bytes)).classifier).toMatchObject({ batch: null });
  await opened(bytes, {}, async ({ gradient }) => {
    const { gradient: slope } = await gradient!({ images, labels: Int32Array.of(0, 1, 2, 0, 1) }, 'ce');
    expect(Math.max(...slope.data)).toBeGreaterThan(0);
  });
});

test('a batch that PyTorch writes into as_strided is loosened', async () => {
  const order = b.tensorOf(
    'int64',
    [1, 3, 6, 6],
    Array.from({ length: 108 }, (_, i) => i),
  );
  const strided = (v: b.Value): b.Value => b.gather(b.reshape(v, [-1]), b.constant(order), 0);
  const bytes = elsewhere(around(classifier, x(nchw(1)), strided));
  expect((await loadClassifier(node, bytes)).classifier).toMatchObject({ batch: null });
  await opened(bytes, {}, expectSame);
});

test('an open batch that is run an image at a time is said', async () => {
  const bytes = foreignFile({
    opset: 16,
    inputs: [{ name: 'image', type: { dtype: 'float32', shape: nchw('batch') } }],
    nodes: [
      { op: 'ScatterND', inputs: ['image', 'at', 'zeros'], outputs: ['less'] },
      { op: 'Flatten', inputs: ['less'], outputs: ['flat'] },
      { op: 'MatMul', inputs: ['flat', 'w'], outputs: ['logits'] },
    ],
    weights: {
      at: b.tensorOf('int64', [1, 2], [0, 1]),
      zeros: b.tensorOf('float32', [1, 6, 6], new Array<number>(36).fill(0)),
      w: b.tensorOf(
        'float32',
        [108, 3],
        Array.from({ length: 324 }, (_, i) => Math.sin(i)),
      ),
    },
    outputs: ['logits'],
  });
  const { classifier } = await loadClassifier(node, bytes);
  expect(classifier).toMatchObject({ batch: 1 });
  expect(classifier.origin.facts).toContainEqual({
    about: 'batch',
    text: 'the file takes any number at a time; its gradient 1, so it is slower than it could be',
  });
});

/** What torch's default exporter writes for `as_strided`: indices into the flat array, computed from the batch. */
const stridedByBatch =
  (indices: (row: b.Value) => b.Value) =>
  (v: b.Value): b.Value => {
    const batch = b.gather(b.shapeOf(v), b.scalar(0, 'int64'), 0);
    const rows = b.apply('Range', [b.scalar(0, 'int64'), batch, b.scalar(1, 'int64')], {})[0]!;
    return b.gather(
      b.reshape(v, [-1]),
      indices(b.unsqueeze(b.mul(rows, b.scalar(108, 'int64')), [1, 2, 3])),
      0,
    );
  };
const places = (list: readonly number[]) => b.constant(b.tensorOf('int64', [1, 3, 6, 6], list));
const inOrder = Array.from({ length: 108 }, (_, i) => i);

const mirrored = stridedByBatch((row) => b.sub(row, places(inOrder.map((i) => i - 107))));

test.each<[what: string, strided: (v: b.Value) => b.Value]>([
  ['all of each image in order', stridedByBatch((row) => b.add(row, places(inOrder)))],
  ['each image mirrored, and back', (v) => mirrored(mirrored(v))],
])('a batch that stays open though indices are computed from it: %s', async (_, strided) => {
  const bytes = elsewhere(around(classifier, x(nchw('n')), strided));
  expect((await loadClassifier(node, bytes)).classifier).toMatchObject({ batch: null });
  await opened(bytes, {}, expectSame);
});

const identity = b.constant(
  b.tensorOf(
    'float32',
    [6, 6],
    Array.from({ length: 36 }, (_, i) => Number(i % 7 === 0)),
  ),
);

/** Images whose channels lie on the axis of the batch for a while, as the heads of attention do. */
const merged = (work: (v: b.Value) => b.Value) => (v: b.Value) =>
  b.reshape(work(b.reshape(v, [3, 6, 6])), [1, 3, 6, 6]);

test.each<[what: string, work: (v: b.Value) => b.Value, batch: number | null]>([
  [
    'is loosened where each row is computed by itself',
    (v) => b.transpose(b.matmul(b.leakyRelu(b.transpose(v, [0, 2, 1]), 1), identity), [0, 2, 1]),
    null,
  ],
  [
    'stays where rows may be mixed',
    (v) => {
      const mean = b.reduceMean(v, { axes: [0], keepdims: true });
      return b.add(v, b.sub(mean, b.leakyRelu(mean, 1)));
    },
    1,
  ],
])('a batch of 1 that other rows were merged with %s', async (_, work, batch) => {
  const bytes = elsewhere(around(classifier, x(nchw(1)), merged(work)));
  expect((await loadClassifier(node, bytes)).classifier).toMatchObject({ batch });
  await opened(bytes, {}, expectSame);
});

test('float16 at its ports is fed and read as float16', () => {
  const half = (name: string, dims: readonly (number | string)[]): Message<'ValueInfo'> => ({
    name,
    type: {
      tensorType: {
        elemType: DataType.FLOAT16,
        shape: { dim: dims.map((d) => (typeof d === 'number' ? { dimValue: d } : { dimParam: d })) },
      },
    },
  });
  const proto = linear(108, [
    { op: 'Cast', inputs: ['h'], outputs: ['x'], attributes: { to: DataType.FLOAT } },
    { op: 'Flatten', inputs: ['x'], outputs: ['features'] },
  ]);
  const { node: nodes = [], input: inputs = [] } = proto.graph!;
  const last = protoNode({ op: 'Cast', inputs: ['z'], outputs: ['q'], attributes: { to: DataType.FLOAT16 } });
  const bytes = encodeModel({
    ...proto,
    graph: {
      ...proto.graph,
      input: [half('h', ['n', 3, 6, 6]), ...inputs.slice(1)],
      node: [...nodes.slice(0, -1), last],
      output: [half('q', ['n', 3])],
    },
  });
  const wide = linear(108, [{ op: 'Flatten', inputs: ['x'], outputs: ['features'] }]);
  return opened(bytes, {}, async ({ logits, gradient, origin }) => {
    expect(origin.tolerance).toBe(0.02);
    const batch = { images, labels: Int32Array.of(0, 1, 2, 0, 1) };
    const found = [await logits(images), (await gradient!(batch, 'ce')).logits];
    await opened(encodeModel(wide), {}, async (exact) => {
      const { logits: expected } = await exact.gradient!(batch, 'ce');
      for (const { data: own } of found) expect(own).toBeAllClose(expected.data, { atol: 0.02 });
    });
  });
});

test('what the builder cannot read is opened for its answers, with all reasons', () => {
  const nodes = [
    { op: 'Flatten', inputs: ['x'], outputs: ['flat'] },
    { op: 'Hardmax', inputs: ['flat'], outputs: ['a'] },
    { op: 'Det', inputs: ['x'], outputs: ['b'] },
    { op: 'Concat', inputs: ['a', 'b'], outputs: ['features'], attributes: { axis: 1 } },
  ];
  return opened(
    encodeModel(linear(111, nodes)),
    {},
    async ({ classes: own, logits, gradient, noGradient }) => {
      expect(own).toBe(3);
      expect(gradient).toBeUndefined();
      expect(noGradient).toMatch(/operator Hardmax is not supported .*operator Det is not supported/);
      // logarithms of probabilities
      const { data: answers } = await logits(images);
      const sums = Array.from({ length: count }, (_, i) =>
        answers.subarray(3 * i, 3 * i + 3).reduce((sum, z) => sum + Math.exp(z), 0),
      );
      expect(sums).toBeAllClose(new Array<number>(count).fill(1), { atol: 1e-5 });
    },
  );
});

test('a file that has no gradient and does not run is rejected when it is opened', async () => {
  const nodes = [
    { op: 'Flatten', inputs: ['x'], outputs: ['flat'] },
    { op: 'Hardmax', inputs: ['flat'], outputs: ['a'] },
    { op: 'Constant', inputs: [], outputs: ['at'], attributes: { value_ints: [500] } },
    { op: 'Gather', inputs: ['a', 'at'], outputs: ['features'], attributes: { axis: 1 } },
  ];
  await expect(openClassifier(encodeModel(linear(1, nodes)), { threads: 1 })).rejects.toThrow(
    /^the model: ONNX Runtime cannot run the file: .*Gather/,
  );
});

test('a file that ONNX Runtime cannot load is rejected with the reason and a way out', async () => {
  const nodes = [
    { op: 'Flatten', inputs: ['x'], outputs: ['flat'] },
    { op: 'com.microsoft.Mystery', inputs: ['flat'], outputs: ['features'] },
  ];
  await expect(openClassifier(encodeModel(linear(1, nodes)), { threads: 1 })).rejects.toThrow(
    /^the model: ONNX Runtime cannot run the file: (?!Fatal|Can't).*Mystery.*; export the model again, with standard ONNX operators$/,
  );
});

describe('files beside a model', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sparring-foreign-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const asked = async (
    options: OpenOptions,
    use: (opened: OpenClassifier) => Promise<void>,
  ): Promise<void> => {
    const found = await openClassifier(join(folder, 'model.onnx'), { threads: 1, ...options });
    await use(found).finally(() => found.close());
  };

  test('say how images are prepared and what the classes are called', async () => {
    const normalised = around(classifier, x(nchw('N')), (v) => toPixels(b.leakyRelu(v, 1)));
    await writeFile(join(folder, 'model.onnx'), elsewhere(normalised));
    const processor = { do_rescale: true, rescale_factor: 1 / 255, image_mean: mean, image_std: std };
    await writeFile(join(folder, 'preprocessor_config.json'), JSON.stringify(processor));
    const id2label = { 0: 'ape', 1: 'bee', 2: 'cat', 3: 'dog' };
    await writeFile(join(folder, 'config.json'), JSON.stringify({ id2label }));
    await asked({}, async (found) => {
      await expectSame(found);
      expect(found.labels).toEqual(['ape', 'bee', 'cat', 'dog']);
      const facts = found.origin.facts.map(({ text }) => text);
      expect(facts).toContain(
        'pixels 0..1, mean [0.485,0.456,0.406], std [0.229,0.224,0.225] (preprocessor_config.json)',
      );
    });
  });

  test('hold its weights', async () => {
    const graph = around(classifier, x(nchw('N')));
    const [inside, outside] = splitWeights(graph, 'model.onnx.data');
    await rm(join(folder, 'preprocessor_config.json'), { force: true });
    await writeFile(join(folder, 'model.onnx'), inside);
    await writeFile(join(folder, 'model.onnx.data'), outside);
    await asked({}, expectSame);
    await opened(inside, { external: { 'model.onnx.data': outside } }, expectSame);
    await expect(openClassifier(inside, { threads: 1 })).rejects.toThrow(
      /its weights lie in another file, model.onnx.data, which is not given$/,
    );
  });
});

test('a file whose graph gives other logits is rejected', async () => {
  const right = elsewhere(around(classifier, x(nchw('N'))));
  const found = await loadClassifier(node, right);
  const wrong = around(
    classifier,
    b.input('image', 'float32', nchw('batch')),
    (v) => b.mul(v, 1.5),
    (logits) => ({ logits }),
  );
  const loaded = { ...found, classifier: { ...found.classifier, graph: wrong } as Classifier };
  await expect(openLoaded(node, loaded, { device: 'cpu', threads: 1 })).rejects.toThrow(
    /the gradient graph gives other logits than the file \(.* apart, the largest is .*\), so the file was read wrongly/,
  );
});

/** Pixels that thirty rounds of the logistic map leave nothing of but their rounding. */
function chaotic(
  v: b.Value,
  round: (t: b.Value) => b.Value = (t) => b.mul(4, b.mul(t, b.sub(1, t))),
): b.Value {
  return Array.from({ length: 30 }).reduce<b.Value>(round, v);
}
/** The same, rounded otherwise. */
const roundedOtherwise = (v: b.Value): b.Value => chaotic(v, (t) => b.mul(4, b.sub(t, b.mul(t, t))));

/** Chaotic only where neighbouring pixels differ much, as random ones do. */
function roughly(chaos: (v: b.Value) => b.Value): (v: b.Value) => b.Value {
  return (v) => {
    const steps = b.abs(b.sub(b.slice(v, [1], [6], [3]), b.slice(v, [0], [5], [3])));
    const rough = b.relu(b.sub(b.reduceMean(steps, { axes: [1, 2, 3], keepdims: true }), 0.2));
    return b.add(v, b.mul(rough, chaos(v)));
  };
}

describe('a file whose answers rounding alone decides', () => {
  const reopened = async (
    file: (v: b.Value) => b.Value,
    graph: (v: b.Value) => b.Value,
  ): Promise<Pick<OpenClassifier, 'origin' | 'selfCheck'>> => {
    const found = await loadClassifier(node, elsewhere(around(classifier, x(nchw('N')), file)), {
      scale: '0..1',
    });
    const other = around(classifier, b.input('image', 'float32', nchw('batch')), graph, (logits) => ({
      logits,
    }));
    const loaded = { ...found, classifier: { ...found.classifier, graph: other } as Classifier };
    const open = await openLoaded(node, loaded, { device: 'cpu', threads: 1 });
    await open.close();
    return open;
  };

  test('is compared on smooth images where those are steady', async () => {
    const { origin, selfCheck } = await reopened(roughly(chaotic), roughly(roundedOtherwise));
    expect(origin.notes.at(-1)).toMatch(
      /^its answers to random pixels move by .* % when the pixels move by 0.000001: compared on smooth images$/,
    );
    expect(selfCheck!.apart).toBeLessThan(selfCheck!.tolerance);
  });

  test('is rejected where it is read wrongly', async () => {
    const wrong = (v: b.Value): b.Value => b.mul(roughly(roundedOtherwise)(v), 1.5);
    await expect(reopened(roughly(chaotic), wrong)).rejects.toThrow(/so the file was read wrongly; export/);
  });

  test('is compared node by node where no image is steady', async () => {
    const { origin, selfCheck } = await reopened(chaotic, roundedOtherwise);
    expect(origin.notes.at(-1)).toMatch(/no less: its \d+ nodes were compared one by one$/);
    expect(selfCheck!.apart).toBeLessThan(1e-6);
  });
});

describe('nodes of a file', () => {
  const bytes = elsewhere(around(classifier, x(nchw(1)), chaotic));
  const one = { data: data.subarray(0, 108), shape: [1, 3, 6, 6] as const };

  test.each<[what: string, reading: (inside: Inside) => Inside, parting: RegExp]>([
    ['read rightly', (inside) => inside, /^null$/],
    [
      'of which one is read wrongly',
      ({ nodes, graph }) => ({
        nodes,
        graph: b.rewrite(graph, ({ op, outputs: [y] }) => (op === 'Relu' ? [b.mul(y!, 1.01)] : null)),
      }),
      /^Relu_\d+ \(Relu\)$/,
    ],
  ])('%s', async (_, reading, parting) => {
    const { files, classifier: read } = await loadClassifier(node, bytes, { scale: '0..1' });
    const steps = await compareSteps(files, read.ports, one, 1e-3, { device: 'cpu', threads: 1 }, (...of) =>
      reading(readInside(...of)),
    );
    expect(steps!.compared).toBeGreaterThan(90);
    expect(String(steps!.parting)).toMatch(parting);
  });
});

test('a file that gives no numbers to random images says that it was not compared', () => {
  // the root of what is negative
  const graph = around(classifier, x(nchw('N')), (v) => b.sqrt(b.sub(v, 2)));
  return opened(elsewhere(graph), {}, async ({ origin, selfCheck }) => {
    expect(selfCheck?.images).toBe(0);
    expect(origin.notes).toEqual([expect.stringContaining('was not compared')]);
    await Promise.resolve();
  });
});
