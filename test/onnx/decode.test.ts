import onnxProto from 'onnx-proto';
import { describe, expect, test } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { decode, decodeProgram, encode, encodeProgram, UnsupportedModelError } from '../../src/onnx/index.ts';
import { randomGraph } from '../support/graphs.ts';
import { attackerInfer, attackerTrain, classifierInfer, classifierTrain } from '../../src/models/programs.ts';
import { stream } from '../../src/runtime/random.ts';
import { between, drawn, evaluateGraph, graphOf, numbers } from '../support/run.ts';

const { onnx } = onnxProto;
type GraphProto = onnxProto.onnx.IGraphProto;
type NodeProto = onnxProto.onnx.INodeProto;
type TensorProto = onnxProto.onnx.ITensorProto;
const { DataType } = onnx.TensorProto;
const { AttributeType } = onnx.AttributeProto;

const x = b.input('x', 'float32', [2, 3]);
const weight = b.constant(b.tensorOf('float32', [3], [1, 2, 3]), 'net/weight');

const protoOf = (bytes: Uint8Array): GraphProto => onnx.ModelProto.decode(bytes).graph!;
const encoded = (outputs: Readonly<Record<string, b.Value>>): Uint8Array => encode(graphOf(outputs));

/** A model file with one node or more, made by hand; `x` [2,3] in, `y` out. */
function file(
  nodes: readonly NodeProto[],
  {
    initializer = [],
    opset = 17,
    output = 'y',
  }: { initializer?: TensorProto[]; opset?: number; output?: string } = {},
): Uint8Array {
  const dim = [{ dimValue: 2 }, { dimValue: 3 }];
  return onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [
      { domain: 'ai.onnx.ml', version: 3 },
      { domain: '', version: opset },
    ],
    graph: {
      name: 'by hand',
      node: [...nodes],
      input: [{ name: 'x', type: { tensorType: { elemType: DataType.FLOAT, shape: { dim } } } }],
      output: [{ name: output }],
      initializer,
    },
  }).finish();
}

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

const relu: NodeProto = { opType: 'Relu', name: 'activation', input: ['x'], output: ['y'] };

describe('encode, decode and encode again', () => {
  const programs: Readonly<Record<string, b.Graph>> = {
    'classifier-train for plain ONNX': b.lower(
      classifierTrain({ batchSize: 2, learningRate: 1e-3 }).graph,
      'plain',
    ),
    'classifier-infer': b.lower(classifierInfer().graph, 'plain'),
    'attacker-infer': b.lower(attackerInfer({ eps: 0.1, bound: 'clamp', clip: true }).graph, 'plain'),
    'attacker-train for the CPU': b.lower(
      attackerTrain({ batchSize: 2, learningRate: 1e-3, eps: 0.1, bound: 'tanh', clip: false }).graph,
      'cpu',
    ),
  };
  test.for(Object.entries(programs))('gives equal bytes: %s', ([, graph]) => {
    const bytes = encode(graph);
    const again = encode(decode(bytes).graph);
    expect(Buffer.compare(again, bytes)).toBe(0);
  });

  const seeds = Array.from({ length: 10 }, (_, i) => i + 1);
  test.for(seeds)('gives equal bytes and results: random graph %i', async (seed) => {
    const { graph, feeds } = randomGraph(stream(seed, 'proto'));
    const bytes = encode(graph);
    const decoded = decode(bytes).graph;
    expect(Buffer.compare(encode(decoded), bytes)).toBe(0);
    expect(await evaluateGraph(decoded, feeds)).toEqual(await evaluateGraph(graph, feeds));
  });

  test('gives equal bytes for a graph that is built a second time', () => {
    const build = (): Uint8Array => encode(randomGraph(stream(1, 'proto', 'twice')).graph);
    expect(Buffer.compare(build(), build())).toBe(0);
  });

  test('keeps names, types and order of inputs and outputs, one that nobody reads among them', () => {
    const open = b.input('open', 'int64', ['batch', 4]);
    const graph: b.Graph = {
      name: 'net',
      inputs: [open, x],
      outputs: { second: b.neg(x), first: b.exp(x) },
    };
    const { graph: decoded } = decode(encode(graph));
    expect(decoded.name).toBe('net');
    expect(decoded.inputs.map((v) => `${b.inputName(v)} ${b.showType(v)}`)).toEqual([
      'open int64[batch,4]',
      'x float32[2,3]',
    ]);
    expect(Object.entries(decoded.outputs).map(([name, v]) => `${name} ${b.showType(v)}`)).toEqual([
      'second float32[2,3]',
      'first float32[2,3]',
    ]);
  });

  test('keeps a graph that is decoded, made larger and encoded', async () => {
    const { graph } = decode(encoded({ y: b.add(b.mul(x, 2), 3) }));
    const larger = { ...graph, outputs: { y: b.add(b.mul(graph.outputs.y!, 5), 7) } };
    const feeds = { x: b.tensorOf('float32', [2, 3], [0, 1, 2, 3, 4, 5]) };
    expect(numbers((await evaluateGraph(larger, feeds)).y!)).toEqual([22, 32, 42, 52, 62, 72]);
    const [g] = b.grad(b.reduceSum(larger.outputs.y), larger.inputs);
    expect(numbers((await evaluateGraph(graphOf({ g: g! }), feeds)).g!)).toEqual([10, 10, 10, 10, 10, 10]);
  });

  test('keeps metadata', () => {
    const metadata = { author: 'nobody', größe: '3 × 3\n' };
    expect(decode(encode(graphOf({ y: b.neg(x) }), metadata)).metadata).toEqual(metadata);
  });

  test('keeps a program and what its inputs and outputs are for', () => {
    const program = classifierTrain({ batchSize: 2, learningRate: 1e-3 });
    const decoded = decodeProgram(encodeProgram({ ...program, graph: b.lower(program.graph, 'plain') }));
    expect(decoded.metadata).toEqual(program.metadata);
    expect(decoded.graph.inputs.map(b.inputName)).toEqual(program.graph.inputs.map(b.inputName));
    expect(Object.keys(decoded.graph.outputs)).toEqual(Object.keys(program.graph.outputs));
  });
});

describe('names', () => {
  test('of nodes are the operator and a number, of outputs their own', () => {
    const y = b.mul(b.add(b.add(x, 1), 2), 3);
    expect(protoOf(encoded({ y, more: b.neg(y) })).node!.map(({ name, output }) => [name, output])).toEqual([
      ['Add_0', ['Add_0']],
      ['Add_1', ['Add_1']],
      ['y', ['y']],
      ['more', ['more']],
    ]);
  });

  test('that inputs, outputs and weights have are not given to others', () => {
    const taken = b.input('Add_0', 'float32', [2, 3]);
    const named = b.constant(b.tensorOf('float32', [], [1]), 'constant_0');
    const y = b.add(b.add(b.add(taken, b.scalar(2)), named), 3);
    const graph = protoOf(encoded({ y, Add_1: b.neg(y) }));
    expect(graph.node!.map(({ name }) => name)).toEqual(['Add_2', 'Add_3', 'y', 'Add_1']);
    expect(graph.initializer!.map(({ name }) => name)).toEqual(['constant_1', 'constant_0', 'constant_2']);
  });

  test('of the outputs of one node are different', () => {
    const { indices } = b.maxPool(b.input('im', 'float32', [1, 1, 4, 4]), { kernel_shape: [2, 2] });
    expect(protoOf(encoded({ y: b.neg(indices) })).node!.map(({ output }) => output)).toEqual([
      ['MaxPool_0', 'MaxPool_0.1'],
      ['y'],
    ]);
  });

  test('of an optional output that nobody reads are left out', () => {
    const { y } = b.maxPool(b.input('im', 'float32', [1, 1, 4, 4]), { kernel_shape: [2, 2] });
    expect(protoOf(encoded({ y })).node!.map(({ output }) => output)).toEqual([['y']]);
  });

  test('of outputs that are inputs, weights or one value twice are made by Identity', async () => {
    const sum = b.add(x, weight);
    const outputs = { input: x, weight, sum, same: sum };
    const graph = protoOf(encoded(outputs));
    expect(graph.node!.map(({ opType }) => opType)).toEqual(['Identity', 'Identity', 'Add', 'Identity']);
    const feeds = { x: b.tensorOf('float32', [2, 3], [0, 1, 2, 3, 4, 5]) };
    const results = await evaluateGraph(graphOf(outputs), feeds);
    expect(results.input).toEqual(feeds.x);
    expect(numbers(results.weight!)).toEqual([1, 2, 3]);
    expect(results.same).toEqual(results.sum);
  });

  test.for<readonly [message: string, graph: () => b.Graph]>([
    ['encode: two values are named x', () => graphOf({ y: b.add(x, b.input('x', 'float32', [])) })],
    ['encode: two values are named x', () => graphOf({ x: b.neg(x) })],
    [
      'encode: two values are named net/weight',
      () => graphOf({ y: b.add(weight, b.constant(b.tensorOf('float32', [], [1]), 'net/weight')) }),
    ],
    [
      'encode: x is read but not an input of the graph',
      () => ({ name: 'net', inputs: [], outputs: { y: b.neg(x) } }),
    ],
    [
      'encode: StopGradient is not an ONNX operator; lower the graph first',
      () => graphOf({ y: b.stopGradient(x) }),
    ],
    [
      'encode: MaxPoolGrad is not an ONNX operator; lower the graph first',
      () => {
        const im = b.input('im', 'float32', [1, 1, 4]);
        return graphOf({
          y: b.maxPoolGrad(im, b.input('dy', 'float32', [1, 1, 2]), { kernel_shape: [2], strides: [2] }),
        });
      },
    ],
  ])('are refused: %s', ([message, graph]) => {
    expect(() => encode(graph())).toThrow(new Error(message));
  });
});

describe('bind', () => {
  const { graph, metadata } = classifierInfer();
  const random = stream(1, 'proto', 'bind');
  const tensors = metadata.frozen.map(
    ({ name, shape }) => [name, drawn('float32', shape.map(Number), between(random, 0.1, 0.3))] as const,
  );
  const weights = new Map(tensors.map(([name, tensor]) => [name, b.constant(tensor, name)]));
  const bound = b.bind(graph, weights);

  test('makes inputs constants that keep their names', () => {
    expect(bound.inputs.map(b.inputName)).toEqual(['image']);
    const proto = protoOf(encode(b.lower(bound, 'plain')));
    expect(proto.input!.map(({ name }) => name)).toEqual(['image']);
    expect(proto.initializer!.map(({ name }) => name)).toEqual(expect.arrayContaining([...weights.keys()]));
  });

  test('gives what the graph gives that is fed the same', async () => {
    const image = drawn('float32', [2, 1, 28, 28], between(random, 0, 1));
    const expected = await evaluateGraph(b.lower(graph, 'plain'), { image, ...Object.fromEntries(tensors) });
    const actual = await evaluateGraph(b.lower(bound, 'plain'), { image });
    // the same operators, but the runtime fuses batch norm into the convolution when it knows the weights
    expect(actual.logits).toBeAllClose(expected.logits!, { rtol: 1e-5, atol: 1e-5 });
  });

  test('leaves the graph as it was that it got', () => {
    expect(graph.inputs.map(b.inputName)).toEqual(['image', ...weights.keys()]);
  });

  test.for<readonly [message: string, values: ReadonlyMap<string, b.Value>]>([
    ['bind: classifier has no input classifier/conv9/weight', new Map([['classifier/conv9/weight', weight]])],
    [
      'bind: classifier/conv1/bias is float32[16], got float32[3]',
      new Map([['classifier/conv1/bias', weight]]),
    ],
  ])('refuses: %s', ([message, values]) => {
    expect(() => b.bind(graph, values)).toThrow(new Error(message));
  });
});

describe('tensors', () => {
  const tensors: readonly b.Tensor[] = [
    b.tensorOf('float32', [2, 2], [1.5, -0, Infinity, 1e-40]),
    b.tensorOf('float64', [3], [Math.PI, -0, 1e-320]),
    { dtype: 'int64', shape: [4], data: BigInt64Array.of(-1n, 2n ** 40n, -(2n ** 63n), 2n ** 63n - 1n) },
    b.tensorOf('int32', [3], [-1, 2 ** 31 - 1, -(2 ** 31)]),
    b.tensorOf('uint8', [3], [0, 128, 255]),
    b.tensorOf('bool', [2], [0, 1]),
    b.tensorOf('float32', [], [2]),
    b.tensorOf('float32', [0, 3], []),
  ];
  const typed = (tensor: b.Tensor): TensorProto => {
    const { dtype, shape: dims } = tensor;
    const values = numbers(tensor);
    switch (dtype) {
      case 'float32':
        return { dataType: DataType.FLOAT, dims: [...dims], floatData: values };
      case 'float64':
        return { dataType: DataType.DOUBLE, dims: [...dims], doubleData: values };
      case 'int64': {
        // 64 bits do not fit into a number: written as text, as protobufjs reads it
        const texts = Array.from(tensor.data as BigInt64Array, String);
        return onnx.TensorProto.fromObject({ dataType: DataType.INT64, dims, int64Data: texts });
      }
      case 'int32':
        return { dataType: DataType.INT32, dims: [...dims], int32Data: values };
      case 'uint8':
        return { dataType: DataType.UINT8, dims: [...dims], int32Data: values };
      case 'bool':
        return { dataType: DataType.BOOL, dims: [...dims], int32Data: values };
      default:
        return dtype satisfies never;
    }
  };
  /** What becomes of float64 in files of others. */
  const inFloat32 = (tensor: b.Tensor): b.Tensor =>
    tensor.dtype === 'float64' ? b.tensorOf('float32', tensor.shape, numbers(tensor)) : tensor;
  const read = (bytes: Uint8Array): b.Tensor => {
    const [constant] = b.topologicalOrder(Object.values(decode(bytes).graph.outputs))[0]!.inputs;
    return (constant!.source as b.Constant).tensor;
  };

  test.for(tensors)('of $dtype $shape keep every bit', (tensor) => {
    expect(read(encoded({ y: b.identity(b.constant(tensor)) }))).toEqual(tensor);
  });

  test.for(tensors)('of $dtype $shape are read from typed fields', (tensor) => {
    const initializer = [{ ...typed(tensor), name: 'value' }];
    const node = { opType: 'Identity', input: ['value'], output: ['y'] };
    expect(read(file([node], { initializer }))).toEqual(inFloat32(tensor));
  });

  test.for(tensors)('of $dtype $shape are read from a Constant node', (tensor) => {
    const value = { name: 'value', type: AttributeType.TENSOR, t: typed(tensor) };
    const nodes = [
      { opType: 'Constant', output: ['value'], attribute: [value] },
      { opType: 'Identity', input: ['value'], output: ['y'] },
    ];
    expect(read(file(nodes))).toEqual(inFloat32(tensor));
  });

  test.for([0, 1, 2, 3, 4, 5, 6, 7])(
    'are read from a Buffer that lies %i bytes from an even address',
    (offset) => {
      const bytes = encoded({ y: b.identity(b.constant(tensors[2]!)) });
      const shifted = Buffer.concat([Buffer.alloc(offset), bytes]).subarray(offset);
      expect(read(shifted)).toEqual(tensors[2]);
    },
  );

  test('do not share memory with the bytes that they were read from', () => {
    const bytes = Buffer.from(encoded({ y: b.identity(b.constant(tensors[3]!)) }));
    const tensor = read(bytes);
    bytes.fill(0);
    expect(tensor).toEqual(tensors[3]);
  });
});

describe('attributes and optional inputs', () => {
  const roundTrip = (y: b.Value): b.AnyNode => decode(encoded({ y })).graph.outputs.y!.source as b.AnyNode;

  test.for<readonly [what: string, y: b.Value]>([
    ['whole numbers', b.softmax(x, -1)],
    ['whole numbers beyond 32 bits', b.apply('ArgMax', [x], { axis: -1, select_last_index: 2 ** 40 })[0]!],
    ['lists', b.transpose(x, [1, 0])],
    ['floats that are whole numbers', b.leakyRelu(x, 2)],
    ['floats', b.leakyRelu(x, 0.25)],
    ['dtypes', b.cast(x, 'int64')],
    ['text', b.scatterAdd(x, b.input('i', 'int64', [1, 1]), b.input('u', 'float32', [1, 1]))],
    ['an empty list', b.apply('ReduceMean', [x], { axes: [], keepdims: 0 })[0]!],
  ])('keep %s', ([, y]) => {
    const { op, attrs } = y.source as b.AnyNode;
    expect(roundTrip(y)).toMatchObject({ op, attrs });
    expect(roundTrip(y).attrs).toEqual(attrs);
  });

  test('leave out an attribute that is undefined', () => {
    const attrs = { axis: undefined } as unknown as b.Ops['Softmax']['attrs'];
    expect(roundTrip(b.apply('Softmax', [x], attrs)[0]!).attrs).toEqual({});
  });

  test('keep what is absent in the middle, and drop it at the end', () => {
    const upper = b.apply('Clip', [x, null, b.scalar(1)], {})[0]!;
    const none = b.apply('Clip', [x, undefined, null], {})[0]!;
    expect(protoOf(encoded({ upper, none })).node!.map(({ input }) => input)).toEqual([
      ['x', '', 'constant_0'],
      ['x'],
    ]);
    expect(roundTrip(upper).inputs[1]).toBeNull();
  });

  test('of an absent output name nothing', () => {
    const pool: NodeProto = {
      opType: 'MaxPool',
      input: ['image'],
      output: ['y', ''],
      attribute: [{ name: 'kernel_shape', type: AttributeType.INTS, ints: [2] }],
    };
    const shape = { name: 'shape', dataType: DataType.INT64, dims: [3], int64Data: [1, 2, 3] };
    const nodes = [
      { opType: 'Reshape', input: ['x', 'shape'], output: ['image'] },
      pool,
      { opType: 'Clip', input: ['y', '', 'high'], output: ['clipped'] },
    ];
    const high = { name: 'high', dataType: DataType.FLOAT, dims: [], floatData: [1] };
    const { graph } = decode(file(nodes, { initializer: [shape, high], output: 'clipped' }));
    const clip = graph.outputs.clipped!.source as b.AnyNode;
    expect(clip.inputs.map((v) => v && b.showType(v))).toEqual(['float32[1,2,2]', null, 'float32[]']);
  });
});

describe('decode', () => {
  test('reads a model of other hands', async () => {
    const { graph } = decode(file([relu]));
    const feeds = { x: b.tensorOf('float32', [2, 3], [-1, 2, -3, 4, -5, 6]) };
    expect(numbers((await evaluateGraph(graph, feeds)).y!)).toEqual([0, 2, 0, 4, 0, 6]);
  });

  test.for([7, 13, 17, 26])('reads opset %i', (opset) => {
    expect(b.showType(decode(file([relu], { opset })).graph.outputs.y!)).toBe('float32[2,3]');
  });

  test('takes an input with an initializer as a constant', () => {
    const initializer = [{ name: 'x', dataType: DataType.FLOAT, dims: [1], floatData: [5] }];
    const { graph } = decode(file([relu], { initializer }));
    expect(graph.inputs).toEqual([]);
    expect(b.print(graph)).toContain('Relu(x) : float32[1]');
  });

  test('gives a dimension without name or size a symbol of its own', () => {
    const model = onnx.ModelProto.decode(file([relu]));
    model.graph!.input![0]!.type!.tensorType!.shape!.dim = [{ dimParam: 'batch' }, {}];
    const { graph } = decode(onnx.ModelProto.encode(model).finish());
    expect(b.showType(graph.outputs.y!)).toBe('float32[batch,dim1]');
  });

  const tensor = { name: 'value', dims: [1], dataType: DataType.FLOAT, floatData: [1] };
  const elsewhere = {
    name: 'value',
    dims: [1],
    dataType: DataType.FLOAT,
    dataLocation: onnx.TensorProto.DataLocation.EXTERNAL,
    externalData: [{ key: 'location', value: 'weights.bin' }],
  };
  test.for<readonly [message: string, bytes: () => Uint8Array]>([
    ['decode: the file is empty', () => new Uint8Array()],
    [
      'decode: the file is a pointer of Git LFS, which git lfs pull replaces by the model',
      () => new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n'),
    ],
    [
      'decode: the bytes are not an ONNX model, or are damaged',
      () => new TextEncoder().encode('not a model'),
    ],
    [
      'decode: opset 6 is not supported, only 7 to 26; export the model again with opset 17',
      () => file([relu], { opset: 6 }),
    ],
    [
      'decode: opset 27 is not supported, only 7 to 26; export the model again with opset 17',
      () => file([relu], { opset: 27 }),
    ],
    ['decode: value z is used before it is made', () => file([{ ...relu, input: ['z'] }])],
    ['decode: value z is used before it is made', () => file([relu], { output: 'z' })],
    [
      'decode: value z is used before it is made',
      () =>
        file([
          { ...relu, input: ['z'] },
          { ...relu, input: ['y'], output: ['z'] },
        ]),
    ],
    ['decode: two values are named y', () => file([relu, relu])],
    ['decode: two values are named x', () => file([{ ...relu, output: ['x'] }])],
    [
      'decode: two values are named value',
      () => file([{ ...relu, input: ['value'] }], { initializer: [tensor, tensor] }),
    ],
    [
      'decode: tensor value lies in another file, weights.bin, which is not given',
      () => file([{ ...relu, input: ['value'] }], { initializer: [elsewhere] }),
    ],
    [
      'decode: tensor value is of string, which is not supported',
      () =>
        file([{ ...relu, input: ['value'] }], { initializer: [{ ...tensor, dataType: DataType.STRING }] }),
    ],
    [
      'decode: tensor value: 1 elements of float do not fill [2]',
      () => file([{ ...relu, input: ['value'] }], { initializer: [{ ...tensor, dims: [2] }] }),
    ],
    [
      'decode: tensor value has the impossible shape [-1]',
      () => file([{ ...relu, input: ['value'] }], { initializer: [{ ...tensor, dims: [-1] }] }),
    ],
  ])('refuses: %s', ([message, bytes]) => {
    expect(() => decode(bytes())).toThrow(new Error(message));
  });

  const wayOut = '. Export the model again in eval mode, without graph optimisation, in float32';
  const softmaxOf = (attribute: onnxProto.onnx.IAttributeProto): NodeProto => ({
    ...relu,
    opType: 'Softmax',
    attribute: [attribute],
  });
  test.for<readonly [message: string, nodes: readonly NodeProto[]]>([
    ['operator Crop is not supported (node activation)', [{ ...relu, opType: 'Crop' }]],
    ['operator toString is not supported (node activation)', [{ ...relu, opType: 'toString' }]],
    ['operator StopGradient is not supported (node activation)', [{ ...relu, opType: 'StopGradient' }]],
    ['operator Crop is not supported (node y)', [{ ...relu, opType: 'Crop', name: '' }]],
    [
      'operator com.microsoft.Relu is not supported (node activation)',
      [{ ...relu, domain: 'com.microsoft' }],
    ],
    ['Mish: opset 17 is not supported (node activation)', [{ ...relu, opType: 'Mish' }]],
    [
      'Softmax: axis 5 is outside [-2, 2) for a value of rank 2 (node activation)',
      [softmaxOf({ name: 'axis', type: AttributeType.INT, i: 5 })],
    ],
    [
      'Softmax: attribute axis must be int, and has another type (node activation)',
      [softmaxOf({ name: 'axis', type: AttributeType.FLOAT, f: 1 })],
    ],
    [
      'Relu: attribute body is not supported (node activation)',
      [{ ...relu, attribute: [{ name: 'body', type: AttributeType.GRAPH, g: {} }] }],
    ],
    ['Add: input 2 is missing (node activation)', [{ ...relu, opType: 'Add' }]],
    [
      'Cast: attribute to is string, which is not supported (node activation)',
      [{ ...relu, opType: 'Cast', attribute: [{ name: 'to', type: AttributeType.INT, i: DataType.STRING }] }],
    ],
    [
      'Constant: has no value that is a number (node activation)',
      [{ ...relu, opType: 'Constant', input: [] }],
    ],
  ])('says what it cannot do: %s', ([message, nodes]) => {
    expect(() => decode(file(nodes))).toThrow(`decode: ${message}${wayOut}`);
  });

  test('says all that it cannot do at once, with counts', () => {
    const nodes = [
      { ...relu, opType: 'Crop', name: 'first', output: ['a'] },
      { ...relu, opType: 'Crop', name: 'second', output: ['b'] },
      {
        ...relu,
        name: 'third',
        output: ['c'],
        attribute: [{ name: 'slope', type: AttributeType.INT, i: 1 }],
      },
      // what depends on an unknown value is not judged, but for its operator
      { opType: 'Concat', name: 'fourth', input: ['a', 'b', 'c'], output: ['d'] },
      { opType: 'Unique', name: 'fifth', input: ['d'], output: ['y'] },
    ];
    const error = thrownBy(() => decode(file(nodes)));
    expect(error).toBeInstanceOf(UnsupportedModelError);
    expect((error as UnsupportedModelError).missing).toEqual([
      { what: 'operator Crop is not supported', count: 2, node: 'first' },
      { what: 'Relu: attribute slope is not supported', count: 1, node: 'third' },
      { what: 'operator Unique is not supported', count: 1, node: 'fifth' },
    ]);
  });

  test('refuses an input that is no tensor', () => {
    const model = onnx.ModelProto.decode(file([relu]));
    model.graph!.input = [{ name: 'x', type: { sequenceType: {} } }];
    expect(() => decode(onnx.ModelProto.encode(model).finish())).toThrow(
      'decode: input x has no tensor shape',
    );
  });

  test('refuses a file that ends too early, wherever', () => {
    const bytes = encoded({ y: b.add(b.mul(x, 2), weight) });
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decode(bytes.subarray(0, length))).toThrow('decode: ');
    }
  });

  test.for<readonly [message: string, metadata: Readonly<Record<string, string>>]>([
    ["decode: no sparring.program in the model's metadata: it is not a program", {}],
    ['decode: sparring.program has schema 2, expected 1', { 'sparring.program': '{"schema":2}' }],
  ])('of a program refuses: %s', ([message, metadata]) => {
    expect(() => decodeProgram(encode(graphOf({ y: b.neg(x) }), metadata))).toThrow(new Error(message));
  });
});

describe('print', () => {
  test('shows a graph, one node a line', () => {
    const image = b.input('image', 'float32', ['batch', 1, 4, 4]);
    const kernel = b.constant(b.tensorOf('float32', [1, 1, 2, 2], [1, 2, 3, 4]), 'net/kernel');
    const { y, indices } = b.maxPool(b.conv(image, kernel, null, { strides: [1, 1] }), {
      kernel_shape: [2, 2],
    });
    const limited = b.apply('Clip', [y, null, b.scalar(0.5)], {})[0]!;
    const graph: b.Graph = {
      name: 'small',
      inputs: [image, x],
      outputs: {
        limited,
        indices,
        image,
        padded: b.pad(x, [0, 0, 1, 2]),
        long: b.gather(b.reshape(x, [-1]), b.ints([0, 1, 2, 3, 4, 5, 0, 1, 2])),
        type: b.cast(x, 'int64'),
      },
    };
    expect(b.print(graph)).toMatchInlineSnapshot(`
      "graph small (image: float32[batch,1,4,4], x: float32[2,3]) {
        %0 = Conv(image, net/kernel) {strides=[1,1]} : float32[batch,1,3,3]
        %1, %2 = MaxPool(%0) {kernel_shape=[2,2]} : float32[batch,1,2,2], int64[batch,1,2,2]
        %3 = Clip(%1, _, 0.5) : float32[batch,1,2,2]
        %4 = Pad(x, [0, 0, 1, 2]) : float32[3,5]
        %5 = Reshape(x, [-1]) : float32[6]
        %6 = Gather(%5, [0, 1, 2, 3, 4, 5, 0, 1, ...]) {axis=0} : float32[9]
        %7 = Cast(x) {to=int64} : int64[2,3]
        limited = %3
        indices = %2
        image = image
        padded = %4
        long = %6
        type = %7
      }
      "
    `);
  });
});
