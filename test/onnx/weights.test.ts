import { describe, expect, it } from 'vitest';
import { fileWeights, withWeights, type ModelFiles } from '../../src/onnx/index.ts';
import { decodeModel } from '../../src/onnx/decode.ts';
import { encodeModel, DataType } from '../../src/onnx/proto.ts';
import { toHalf } from '../../src/runtime/half.ts';
import { trainable } from '../support/trainable.ts';

const readFrom = (external: ModelFiles['external']) => (location: string) => external[location]!;
const weightsOf = ({ bytes, external }: ModelFiles) =>
  new Map(fileWeights(bytes, readFrom(external)).map(({ name, data }) => [name, data]));

describe.for(['inside', 'outside'] as const)('a copy of a model with its weights %s', (where) => {
  const model = trainable(where);

  it('has the bytes of the model where no weight is changed', () => {
    const copy = withWeights(model, { weights: weightsOf(model), toHalf });
    expect(weightsOf(copy)).toEqual(weightsOf(model));
    expect(copy.external).toEqual(model.external);
    // what a message holds may be written in another order: the message is the same
    expect(decodeModel(copy.bytes)).toEqual(decodeModel(model.bytes));
    expect(copy.bytes.length).toBe(model.bytes.length);
  });

  it('has the new numbers, in the type of the file, and all else as it was', () => {
    const answer = weightsOf(model)
      .get('answer')!
      .map((x) => x + 0.1);
    const hidden = weightsOf(model)
      .get('hidden')!
      .map((x, i) => (i === 5 ? 0.1 : x));
    const copy = withWeights(model, {
      weights: new Map([
        ['answer', answer],
        ['hidden', hidden],
      ]),
      metadata: { how: 'trained' },
      toHalf,
    });
    const expected = new Map([
      ...weightsOf(model),
      ['answer', answer],
      // 0.1 in float16
      ['hidden', hidden.map((x, i) => (i === 5 ? 0.0999755859375 : x))],
    ]);
    expect(weightsOf(copy)).toEqual(expected);
    const [before, after] = [decodeModel(model.bytes), decodeModel(copy.bytes)];
    expect({ ...after, graph: null, metadataProps: null }).toEqual({
      ...before,
      graph: null,
      metadataProps: null,
    });
    expect({ ...after.graph, initializer: null }).toEqual({ ...before.graph, initializer: null });
    expect(after.metadataProps).toEqual([...before.metadataProps, { key: 'how', value: 'trained' }]);
    // a field that no version of ONNX has
    expect(Buffer.from(copy.bytes).includes(Buffer.from([0xa2, 0x06, 3, 0x61, 0x62, 0x63]))).toBe(true);
  });

  it('has metadata of one key once', () => {
    const once = withWeights(model, { weights: new Map(), metadata: { how: 'once' }, toHalf });
    const twice = withWeights(once, { weights: new Map(), metadata: { how: 'twice' }, toHalf });
    expect(decodeModel(twice.bytes).metadataProps).toEqual([
      { key: 'author', value: 'somebody' },
      { key: 'how', value: 'twice' },
    ]);
  });
});

it('gives the files that weights lie in new names', () => {
  const model = trainable('outside');
  const copy = withWeights(model, { weights: new Map(), rename: () => 'new.data', toHalf });
  expect(Object.keys(copy.external)).toEqual(['new.data']);
  expect(weightsOf(copy)).toEqual(weightsOf(model));
});

it('writes numbers of every field and type that holds weights', () => {
  const numbers = [1.5, -0.25, 0];
  const model = encodeModel({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 17 }],
    graph: {
      name: 'fields',
      initializer: [
        { name: 'float', dataType: DataType.FLOAT, dims: [3], floatData: numbers },
        { name: 'double', dataType: DataType.DOUBLE, dims: [3], doubleData: [1.5, 0.1, 0] },
        { name: 'half', dataType: DataType.FLOAT16, dims: [3], int32Data: numbers.map(toHalf) },
        { name: 'brain', dataType: DataType.BFLOAT16, dims: [3], int32Data: [0x3fc0, 0xbe80, 0] },
      ],
    },
  });
  const next = Float32Array.of(1.5, Math.fround(0.1), -2);
  const weights = new Map(['float', 'double', 'half', 'brain'].map((name) => [name, next]));
  const copy = withWeights({ bytes: model, external: {} }, { weights, toHalf });
  const raw = new Map(
    decodeModel(copy.bytes).graph!.initializer.map(({ name, rawData }) => [name, Buffer.from(rawData)]),
  );
  expect(raw.get('float')!.readFloatLE(4)).toBe(Math.fround(0.1));
  // 0.1 is what the file had, in more digits than float32 has
  expect(raw.get('double')!.readDoubleLE(8)).toBe(0.1);
  expect(raw.get('double')!.readDoubleLE(16)).toBe(-2);
  expect(raw.get('half')!.readUInt16LE(2)).toBe(toHalf(0.1));
  expect(raw.get('brain')!.readUInt16LE(2)).toBe(0x3dcd);
  expect(raw.get('brain')!.readUInt16LE(4)).toBe(0xc000);
});

it('rejects names that are no initializers, other sizes, and weights that share bytes', () => {
  const model = trainable('outside');
  const changed = (name: string, size: number) => () =>
    withWeights(model, { weights: new Map([[name, new Float32Array(size)]]), toHalf });
  expect(changed('nothing', 3)).toThrow('the model has no initializer nothing');
  expect(changed('answer', 3)).toThrow('tensor answer has 240 numbers, got 3');
  const decoded = decodeModel(model.bytes);
  const tensors = decoded.graph!.initializer;
  const answer = tensors.find(({ name }) => name === 'answer')!;
  const shared = encodeModel({
    ...decoded,
    graph: { ...decoded.graph!, initializer: [...tensors, { ...answer, name: 'twin' }] },
  } as never);
  expect(() =>
    withWeights(
      { bytes: shared, external: model.external },
      { weights: new Map([['answer', new Float32Array(240)]]), toHalf },
    ),
  ).toThrow('the initializers answer and twin share bytes of weights.bin; export the model again');
});
