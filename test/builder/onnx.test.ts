import { createRequire } from 'node:module';
import onnxProto from 'onnx-proto';
import protobuf from 'protobufjs/minimal.js';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { decodeModel, encodeModel, type Message } from '../../src/builder/onnx.ts';

// onnx-proto judges: it was generated from ONNX's own onnx.proto, and runs on a protobufjs of its own.
const judge = onnxProto.onnx.ModelProto;

const int64s = [0n, 1n, -1n, 2n ** 31n, -(2n ** 31n), 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)];

/** A model with these int64 values wherever a file has them. */
const modelWith = (values: readonly bigint[]): Message<'Model'> => ({
  irVersion: 8,
  modelVersion: values.at(-1)!,
  graph: {
    name: 'numbers',
    node: [{ opType: 'Op', attribute: values.map((i) => ({ name: 'i', type: 2, i, ints: values })) }],
    initializer: [{ name: 'tensor', dataType: 7, dims: values, int64Data: values }],
  },
});

/** The int64 values of a model. */
const int64sOf = (model: ReturnType<typeof decodeModel>) => {
  const [node] = model.graph!.node;
  const [tensor] = model.graph!.initializer;
  return {
    modelVersion: model.modelVersion,
    i: node!.attribute.map(({ i }) => i),
    ints: node!.attribute.map(({ ints }) => ints),
    dims: tensor!.dims,
    int64Data: tensor!.int64Data,
  };
};

const expected = {
  modelVersion: int64s.at(-1)!,
  i: int64s,
  ints: int64s.map(() => int64s),
  dims: int64s,
  int64Data: int64s,
};

describe('int64 values', () => {
  const require = createRequire(import.meta.url);
  // those that packages here depend on, as an installer may lay any of them under this one
  const versions = [
    ['8', require],
    ['7', createRequire(require.resolve('onnxruntime-web'))],
    ['6', createRequire(require.resolve('onnx-proto'))],
  ] as const;

  afterEach(() => {
    vi.doUnmock('protobufjs/minimal.js');
    vi.resetModules();
  });

  test.for(versions)('survive a round trip with protobufjs %s', async ([major, from]) => {
    expect((from('protobufjs/package.json') as { version: string }).version.split('.')[0]).toBe(major);
    vi.resetModules();
    vi.doMock('protobufjs/minimal.js', () => ({ default: from('protobufjs/minimal') as unknown }));
    const onnx = await import('../../src/builder/onnx.ts');
    const bytes = onnx.encodeModel(modelWith(int64s));
    expect(int64sOf(onnx.decodeModel(bytes))).toEqual(expected);
    expect(Buffer.compare(bytes, encodeModel(modelWith(int64s)))).toBe(0);
  });

  test('are those that onnx-proto reads', () => {
    const { graph, modelVersion } = judge.toObject(judge.decode(encodeModel(modelWith(int64s))), {
      longs: String,
    }) as { graph: GraphOfTexts; modelVersion: string };
    const texts = int64s.map(String);
    expect(modelVersion).toBe(texts.at(-1));
    expect(graph.node[0]!.attribute.map(({ i }) => i)).toEqual(texts);
    expect(graph.node[0]!.attribute.map(({ ints }) => ints)).toEqual(texts.map(() => texts));
    expect(graph.initializer[0]).toMatchObject({ dims: texts, int64Data: texts });
  });

  test('are those that onnx-proto wrote', () => {
    const texts = int64s.map(String);
    const attribute = texts.map((i) => ({ name: 'i', i, ints: texts }));
    const bytes = judge
      .encode(
        judge.fromObject({
          modelVersion: texts.at(-1),
          graph: { node: [{ attribute }], initializer: [{ dims: texts, int64Data: texts }] },
        }),
      )
      .finish();
    expect(int64sOf(decodeModel(bytes))).toEqual(expected);
  });

  test.for([2n ** 63n, -(2n ** 63n) - 1n, 2 ** 63])('beyond 64 bits are rejected: %s', (value) => {
    expect(() => encodeModel({ irVersion: value })).toThrow(`${value} does not fit into an int64`);
  });

  test('are rejected when they are fractions', () => {
    expect(() => encodeModel({ irVersion: 1.5 })).toThrow(RangeError);
  });
});

interface GraphOfTexts {
  readonly node: readonly {
    readonly attribute: readonly { readonly i: string; readonly ints: string[] }[];
  }[];
  readonly initializer: readonly object[];
}

describe('a model', () => {
  const type = {
    tensorType: { elemType: 1, shape: { dim: [{ dimValue: 3 }, { dimParam: 'n', denotation: 'D' }] } },
    denotation: 'IMAGE',
  };
  const tensor = {
    dims: [2],
    dataType: 1,
    floatData: [0.5, -1.25],
    int32Data: [-1, 2 ** 31 - 1],
    name: 'grün',
    rawData: Uint8Array.of(1, 2, 255),
    doubleData: [Math.PI],
    docString: 'doc',
    externalData: [{ key: 'location', value: 'file' }],
    dataLocation: 1,
  };
  const attribute = {
    name: 'a',
    f: 0.25,
    s: Uint8Array.of(104),
    t: tensor,
    g: { name: 'inner', node: [{ opType: 'Relu', input: ['', 'x'] }] },
    floats: [1, 2],
    strings: [Uint8Array.of(105), Uint8Array.of(106)],
    docString: 'doc',
    type: 4,
    refAttrName: 'ref',
  };
  const valueInfo = { name: 'x', type, docString: 'doc' };
  // every field of the table but int64s, which have tests of their own
  const full = {
    producerName: 'p',
    producerVersion: '1',
    domain: 'd',
    docString: 'doc',
    graph: {
      node: [
        {
          input: ['x'],
          output: ['y'],
          name: 'n',
          opType: 'Op',
          attribute: [attribute],
          docString: 'doc',
          domain: 'd',
        },
      ],
      name: 'g',
      initializer: [tensor],
      docString: 'doc',
      input: [valueInfo, { name: 's', type: { sequenceType: { elemType: type } } }],
      output: [valueInfo],
      valueInfo: [valueInfo],
    },
    opsetImport: [{ domain: '' }],
    metadataProps: [{ key: 'k', value: 'v' }],
  };

  test('is written as onnx-proto writes it, to the byte', () => {
    expect(Buffer.compare(encodeModel(full), judge.encode(judge.fromObject(full)).finish())).toBe(0);
  });

  test('is read as onnx-proto reads it', () => {
    const bytes = judge.encode(judge.fromObject(full)).finish();
    const all = { defaults: true, longs: String };
    const again = encodeModel(decodeModel(bytes));
    expect(judge.toObject(judge.decode(again), all)).toEqual(judge.toObject(judge.decode(bytes), all));
  });

  test('has zeros and nothing where a file says nothing', () => {
    const { irVersion, producerName, graph, opsetImport } = decodeModel(new Uint8Array());
    expect({ irVersion, producerName, graph, opsetImport }).toEqual({
      irVersion: 0n,
      producerName: '',
      graph: undefined,
      opsetImport: [],
    });
  });
});

describe('a file', () => {
  /** A model of one initializer, whose fields `fill` writes. */
  const withTensor = (fill: (writer: protobuf.Writer) => protobuf.Writer): Uint8Array => {
    const writer = protobuf.Writer.create();
    writer.uint32((7 << 3) | 2).fork();
    fill(writer.uint32((5 << 3) | 2).fork()).ldelim();
    return writer.ldelim().finish();
  };
  const tensorIn = (bytes: Uint8Array) => decodeModel(bytes).graph!.initializer[0]!;

  test('may hold a list value by value, as proto2 writes it', () => {
    const bytes = withTensor((w) =>
      w
        .uint32(1 << 3)
        .int64(3)
        .uint32(1 << 3)
        .int64(4)
        .uint32((4 << 3) | 5)
        .float(0.5),
    );
    expect(tensorIn(bytes)).toMatchObject({ dims: [3n, 4n], floatData: [0.5] });
  });

  test('may hold fields that are not known, or that have another type', () => {
    const bytes = withTensor((w) =>
      w
        .uint32((200 << 3) | 2)
        .string('new')
        .uint32(8 << 3)
        .int32(1)
        .uint32((201 << 3) | 1)
        .fixed64(1)
        .uint32(2 << 3)
        .int32(7),
    );
    expect(tensorIn(bytes)).toMatchObject({ name: '', dataType: 7 });
  });

  test.for<readonly [what: string, bytes: Uint8Array]>([
    ['text', new TextEncoder().encode('not a model')],
    [
      'a list that is longer than its tensor',
      withTensor((w) =>
        w
          .uint32((1 << 3) | 2)
          .uint32(5)
          .int64(1),
      ),
    ],
    [
      'a list that ends within a number',
      withTensor((w) =>
        w
          .uint32((4 << 3) | 2)
          .uint32(2)
          .float(1),
      ),
    ],
    [
      'a message that is longer than the file',
      protobuf.Writer.create()
        .uint32((7 << 3) | 2)
        .uint32(9)
        .finish(),
    ],
  ])('is rejected when it holds %s', ([, bytes]) => {
    expect(() => decodeModel(bytes)).toThrow(Error);
  });
});
