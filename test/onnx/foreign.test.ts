import { describe, expect, test } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { decode, decodeInterface, encode, UnsupportedModelError } from '../../src/onnx/index.ts';
import { encodeModel, type Message } from '../../src/onnx/proto.ts';
import { attributeOf, foreignFile, foreignProto, protoNode, type ForeignFile } from '../support/foreign.ts';
import { evaluateGraph, numbers } from '../support/run.ts';

const vector = (values: readonly number[]): b.Tensor => b.tensorOf('float32', [values.length], values);
const x: ForeignFile['inputs'][number] = { name: 'x', type: { dtype: 'float32', shape: ['batch', 3] } };
const three = vector([1, 2, 3]);
const fed = { x: b.tensorOf('float32', [1, 3], [1, 2, 3]) };

/** A file of `x` [batch,3] whose output is `y`. */
const file = (nodes: ForeignFile['nodes'], more: Partial<ForeignFile> = {}): Uint8Array =>
  foreignFile({ opset: 17, inputs: [x], nodes, outputs: ['y'], ...more });

const add = { op: 'Add', inputs: ['x', 'w'], outputs: ['y'] };

/** A model whose only weight `w` stands as the message says. */
function withWeight(weight: Message<'Tensor'>): Uint8Array {
  const proto = foreignProto({ opset: 17, inputs: [x], nodes: [add], outputs: ['y'] });
  return encodeModel({ ...proto, graph: { ...proto.graph, initializer: [weight] } });
}

const valuesOf = async (bytes: Uint8Array, feeds: Readonly<Record<string, b.Tensor>> = fed) =>
  numbers((await evaluateGraph(b.lower(decode(bytes).graph, 'plain'), feeds)).y!);

describe('weights in another file', () => {
  const entry = (key: string, value: string): Message<'StringStringEntry'> => ({ key, value });
  const elsewhere = (offset: string, length?: string): Message<'Tensor'> => ({
    name: 'w',
    dataType: 1,
    dims: [3],
    dataLocation: 1,
    externalData: [
      entry('location', 'model.onnx.data'),
      entry('offset', offset),
      ...(length === undefined ? [] : [entry('length', length)]),
    ],
  });
  const bytes = new Uint8Array(new Float32Array([9, 1, 2, 3]).buffer);
  const external = (location: string): Uint8Array => {
    expect(location).toBe('model.onnx.data');
    return bytes;
  };

  test.for([['4', '12'], ['4']] as const)('are read from %s', async ([offset, length]) => {
    const { graph } = decode(withWeight(elsewhere(offset, length)), { external });
    expect(numbers((await evaluateGraph(graph, fed)).y!)).toEqual([2, 4, 6]);
  });

  test.for([
    ['8', '12', 'bytes 8 to 20 lie outside model.onnx.data of 16 bytes'],
    ['-4', '12', 'bytes -4 to 8 lie outside model.onnx.data of 16 bytes'],
    ['4', '8', '2 elements of float do not fill [3]'],
  ] as const)('that lie about their place are rejected: %s, %s', ([offset, length, message]) => {
    expect(() => decode(withWeight(elsewhere(offset, length)), { external })).toThrow(
      `decode: tensor w: ${message}`,
    );
  });
});

describe('types that are computed in others', () => {
  const halves = Uint16Array.of(0x3c00, 0xc000, 0x3555, 0x0001);
  const weights: readonly (readonly [name: string, Message<'Tensor'>, readonly number[]])[] = [
    [
      'float16',
      { dataType: 10, rawData: new Uint8Array(halves.slice(0, 3).buffer) },
      [1, -2, 0.333251953125],
    ],
    ['float16', { dataType: 10, int32Data: [0x7c00, 0x0001, 0x8000] }, [Infinity, 2 ** -24, -0]],
    ['bfloat16', { dataType: 16, int32Data: [0x3f80, 0xc000, 0x3eab] }, [1, -2, 0.333984375]],
    ['float64', { dataType: 11, doubleData: [1, 2, 0.1] }, [1, 2, Math.fround(0.1)]],
  ];
  test.for(weights)('%s is read into float32, and said', ([name, tensor, expected]) => {
    const { graph, notes } = decode(withWeight({ name: 'w', dims: [3], ...tensor }));
    const { source } = (graph.outputs.y!.source as b.AnyNode).inputs[1]!;
    expect((source as b.Constant).tensor).toEqual(vector(expected));
    expect(notes).toEqual([`${name} is computed in float32`]);
  });

  test('int8 weights of a quantised file become the numbers that they stand for', async () => {
    const weight = { name: 'w', dims: [3], dataType: 3, rawData: Uint8Array.of(0x80, 0, 127) };
    const nodes = [
      { op: 'DequantizeLinear', inputs: ['w', 'scale', 'zero'], outputs: ['v'] },
      { op: 'Mul', inputs: ['x', 'v'], outputs: ['y'] },
    ];
    const weights = { scale: b.tensorOf('float32', [], [0.5]) };
    const proto = foreignProto({ opset: 13, inputs: [x], nodes, outputs: ['y'], weights });
    const zero = { name: 'zero', dims: [], dataType: 3, rawData: Uint8Array.of(1) };
    const initializer = [...proto.graph!.initializer!, weight, zero];
    const bytes = encodeModel({ ...proto, graph: { ...proto.graph, initializer } });
    expect(await valuesOf(bytes, { x: b.tensorOf('float32', [1, 3], [1, 1, 1]) })).toEqual([-64.5, -0.5, 63]);
    const { graph } = decode(bytes);
    expect(b.topologicalOrder(Object.values(graph.outputs)).map(({ op }) => op)).toEqual(['Mul']);
  });

  test('quantised activations keep the gradient of what they stand for, where they are not cut off', async () => {
    const nodes = [
      { op: 'QuantizeLinear', inputs: ['x', 'scale', 'zero'], outputs: ['q'] },
      { op: 'DequantizeLinear', inputs: ['q', 'scale', 'zero'], outputs: ['y'] },
    ];
    const weights = { scale: b.tensorOf('float32', [], [0.5]), zero: b.tensorOf('uint8', [], [10]) };
    const { graph } = decode(file(nodes, { weights, opset: 13 }));
    const [g] = b.grad(b.reduceSum(graph.outputs.y!), graph.inputs);
    const outputs = { y: graph.outputs.y!, g: g! };
    const results = await evaluateGraph(b.lower({ ...graph, outputs }, 'plain'), {
      x: b.tensorOf('float32', [1, 3], [0.6, -7, 1.2]),
    });
    expect(numbers(results.y!)).toEqual([0.5, -5, 1]);
    expect(numbers(results.g!)).toEqual([1, 0, 1]);
  });
});

describe('Constant', () => {
  test.for<readonly [form: string, attribute: Parameters<typeof attributeOf>[1], expected: number[]]>([
    ['value', { tensor: three }, [2, 4, 6]],
    ['value_float', { float: 0.5 }, [1.5, 2.5, 3.5]],
    ['value_floats', { floats: [1, 0, -1] }, [2, 2, 2]],
  ])('is read from %s', async ([form, attribute, expected]) => {
    const constant = { op: 'Constant', inputs: [], outputs: ['w'], attributes: { [form]: attribute } };
    expect(await valuesOf(file([constant, add]))).toEqual(expected);
  });

  test.for<readonly [form: string, attribute: number | readonly number[], shape: readonly number[]]>([
    ['value_int', -1, []],
    ['value_ints', [-1], [1]],
  ])('is read from %s', ([form, attribute]) => {
    const constant = { op: 'Constant', inputs: [], outputs: ['axes'], attributes: { [form]: attribute } };
    const unsqueeze = { op: 'CumSum', inputs: ['x', 'axes'], outputs: ['y'] };
    expect(b.showType(decode(file([constant, unsqueeze])).graph.outputs.y!)).toBe('float32[batch,3]');
  });
});

describe('functions of a model', () => {
  /** y = x * factor, then another function or nothing. */
  const scaled = (name: string, inner: Message<'Node'>[], output: string): Message<'Function'> => ({
    name,
    domain: 'own',
    input: ['a'],
    output: [output],
    attribute: ['factor'],
    opsetImport: [
      { domain: '', version: 17 },
      { domain: 'own', version: 1 },
    ],
    node: [
      {
        opType: 'Constant',
        output: ['k'],
        attribute: [{ name: 'value_float', type: 1, refAttrName: 'factor' }],
      },
      { opType: 'Mul', input: ['a', 'k'], output: ['scaled'] },
      ...inner,
    ],
  });
  const model = (functions: Message<'Function'>[], call: Message<'Node'>): Uint8Array => {
    const proto = foreignProto({ opset: 17, inputs: [x], nodes: [], outputs: ['y'] });
    return encodeModel({
      ...proto,
      opsetImport: [...proto.opsetImport!, { domain: 'own', version: 1 }],
      functions,
      graph: { ...proto.graph, node: [call] },
    });
  };
  const factor = (value: number): Message<'Attribute'> => attributeOf('factor', { float: value });
  const call = { domain: 'own', opType: 'Twice', input: ['x'], output: ['y'] };

  test('are written out with the attributes of their call', async () => {
    const inner = {
      domain: 'own',
      opType: 'Scale',
      input: ['scaled'],
      output: ['end'],
      attribute: [factor(3)],
    };
    const functions = [scaled('Twice', [inner], 'end'), scaled('Scale', [], 'scaled')];
    const bytes = model(functions, { ...call, attribute: [factor(2)] });
    expect(await valuesOf(bytes)).toEqual([6, 12, 18]);
  });

  test('that call themselves are rejected', () => {
    const inner = {
      domain: 'own',
      opType: 'Twice',
      input: ['scaled'],
      output: ['end'],
      attribute: [factor(3)],
    };
    const bytes = model([scaled('Twice', [inner], 'end')], { ...call, attribute: [factor(2)] });
    expect(() => decode(bytes)).toThrow(new Error('decode: function Twice calls itself'));
  });
});

describe('If', () => {
  const branch = (op: string): Message<'Graph'> => ({
    name: op,
    node: [protoNode({ op, inputs: ['x'], outputs: [`${op}_y`] })],
    output: [{ name: `${op}_y` }],
  });
  const model = (condition: Message<'Node'>[]): Uint8Array => {
    const proto = foreignProto({ opset: 17, inputs: [x], nodes: [], outputs: ['y'] });
    const attribute = [
      { name: 'then_branch', type: 5, g: branch('Neg') },
      { name: 'else_branch', type: 5, g: branch('Abs') },
    ];
    const node = [...condition, { opType: 'If', name: 'choice', input: ['c'], output: ['y'], attribute }];
    return encodeModel({ ...proto, graph: { ...proto.graph, node } });
  };

  test.for([
    [3, [-1, -2, -3]],
    [4, [1, 2, 3]],
  ] as const)('takes the branch of a condition on known sizes: %i', async ([size, expected]) => {
    const nodes = [
      { op: 'Shape', inputs: ['x'], outputs: ['shape'] },
      { op: 'Constant', inputs: [], outputs: ['one'], attributes: { value_int: 1 } },
      { op: 'Constant', inputs: [], outputs: ['size'], attributes: { value_int: size } },
      { op: 'Gather', inputs: ['shape', 'one'], outputs: ['width'] },
      { op: 'Equal', inputs: ['width', 'size'], outputs: ['c'] },
    ];
    expect(await valuesOf(model(nodes.map(protoNode)))).toEqual(expected);
  });

  test('whose condition depends on the image is rejected', () => {
    const nodes = [
      { op: 'ReduceMax', inputs: ['x'], outputs: ['m'], attributes: { keepdims: 0 } },
      { op: 'Cast', inputs: ['m'], outputs: ['c'], attributes: { to: 9 } },
    ];
    expect(() => decode(model(nodes.map(protoNode)))).toThrow(
      'decode: If: its condition is computed from the image (node choice)',
    );
  });
});

describe('shapes that a file computes', () => {
  const image: ForeignFile['inputs'][number] = {
    name: 'x',
    type: { dtype: 'float32', shape: ['batch', 2, 'height', 4] },
  };
  const int = (name: string, value: number | readonly number[]) => ({
    op: 'Constant',
    inputs: [],
    outputs: [name],
    attributes: typeof value === 'number' ? { value_int: value } : { value_ints: value },
  });
  const flatten = [
    { op: 'Shape', inputs: ['x'], outputs: ['shape'] },
    int('zero', 0),
    { op: 'Gather', inputs: ['shape', 'zero'], outputs: ['n'] },
    int('axes', [0]),
    { op: 'Unsqueeze', inputs: ['n', 'axes'], outputs: ['n1'] },
    int('rest', [-1]),
    { op: 'Concat', inputs: ['n1', 'rest'], outputs: ['target'], attributes: { axis: 0 } },
    { op: 'Reshape', inputs: ['x', 'target'], outputs: ['y'] },
  ];
  const bytes = file(flatten, { inputs: [image] });

  test('disappear, whether their sizes are open or bound', () => {
    const { graph } = decode(bytes);
    expect(b.showType(graph.outputs.y!)).toBe('float32[batch,8*height]');
    const bound = decode(bytes, { shapes: { x: ['batch', 2, 3, 4] } }).graph;
    expect(b.print(bound)).toBe(
      'graph foreign (x: float32[batch,2,3,4]) {\n' +
        '  %0 = Reshape(x, [-1, 24]) : float32[batch,24]\n' +
        '  y = %0\n}\n',
    );
  });

  test('disappear when open sizes are bound later', () => {
    const bound = b.bindDims(decode(bytes).graph, { batch: 5, height: 3 });
    expect(b.print(bound)).toBe(
      'graph foreign (x: float32[5,2,3,4]) {\n  %0 = Reshape(x, [0, -1]) : float32[5,24]\n  y = %0\n}\n',
    );
  });

  test('are known from the interface without the nodes', () => {
    const { inputs, outputs } = decodeInterface(bytes);
    expect(inputs.map((v) => `${b.inputName(v)} ${b.showType(v)}`)).toEqual(['x float32[batch,2,height,4]']);
    expect(outputs).toEqual(['y']);
  });

  test('of dimensions of 0 or -1 are open', () => {
    const proto = foreignProto({
      opset: 17,
      inputs: [{ name: 'x', type: { dtype: 'float32', shape: [-1, 3, 0] } }],
      nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }],
      outputs: ['y'],
    });
    expect(b.showType(decode(encodeModel(proto)).graph.outputs.y!)).toBe('float32[dim0,3,dim2]');
  });
});

describe('what the wanted outputs do not need', () => {
  const nodes = [
    { op: 'Relu', inputs: ['x'], outputs: ['y'] },
    { op: 'ArrayFeatureExtractor', inputs: ['y', 'x'], outputs: ['label'] },
  ];
  test('is not read', () => {
    const { graph } = decode(file(nodes, { outputs: ['y', 'label'] }), { outputs: ['y'] });
    expect(Object.keys(graph.outputs)).toEqual(['y']);
    expect(() => decode(file(nodes, { outputs: ['y', 'label'] }))).toThrow(UnsupportedModelError);
  });

  test('may be an output that no importer makes', () => {
    const statistics = { op: 'SkipLayerNormalization', inputs: ['x', 'x', 'w'], outputs: ['y', 'mean'] };
    const skip = [{ ...statistics, op: `com.microsoft.${statistics.op}` }];
    expect(b.showType(decode(file(skip, { weights: { w: three } })).graph.outputs.y!)).toBe(
      'float32[batch,3]',
    );
    expect(() => decode(file(skip, { weights: { w: three }, outputs: ['mean'] }))).toThrow(
      'decode: output 2 of SkipLayerNormalization is not supported',
    );
  });
});

test('a small file that would become a large graph is rejected', () => {
  const large = [
    { op: 'Constant', inputs: [], outputs: ['size'], attributes: { value_ints: [2 ** 20] } },
    { op: 'ConstantOfShape', inputs: ['size'], outputs: ['v0'] },
    ...Array.from({ length: 60 }, (_, i) => ({ op: 'Exp', inputs: [`v${i}`], outputs: [`v${i + 1}`] })),
    { op: 'ReduceSum', inputs: ['v60'], outputs: ['total'], attributes: { keepdims: 0 } },
    { op: 'Add', inputs: ['x', 'total'], outputs: ['y'] },
  ];
  expect(() => decode(file(large))).toThrow(
    new Error('decode: the model computes more constants than its weights account for'),
  );
});

test('the gradient of a pool with a kernel larger than the image is no larger than that of one as large', () => {
  const size = (kernel: number): number => {
    const { graph } = decode(
      foreignFile({
        opset: 17,
        inputs: [{ name: 'x', type: { dtype: 'float32', shape: [1, 2, 4, 4] } }],
        nodes: [
          {
            op: 'AveragePool',
            inputs: ['x'],
            outputs: ['y'],
            attributes: { kernel_shape: [kernel, kernel], strides: [kernel, kernel], ceil_mode: 1 },
          },
        ],
        outputs: ['y'],
      }),
    );
    const [g] = b.grad(b.reduceSum(graph.outputs.y!), graph.inputs);
    return encode(b.lower({ ...graph, outputs: { g: g! } }, 'cpu')).length;
  };
  expect(size(1000)).toBe(size(4));
});

test('operators of quantised files that compute in integers say so', () => {
  const node = { op: 'MatMulInteger', inputs: ['x', 'w'], outputs: ['y'] };
  expect(() => decode(file([node], { weights: { w: b.tensorOf('uint8', [3, 1], [1, 2, 3]) } }))).toThrow(
    'decode: MatMulInteger: computes in integers, which have no gradient: bring the model before it was quantised',
  );
});

test('a model in training mode says so', () => {
  const parameters = ['w', 'w', 'w', 'w'];
  const node = {
    op: 'BatchNormalization',
    inputs: ['x', ...parameters],
    outputs: ['y', 'mean', 'variance'],
    attributes: { training_mode: 1 },
  };
  expect(() => decode(file([node], { weights: { w: three } }))).toThrow(
    'decode: BatchNormalization: it computes its own statistics: the model was exported in training mode',
  );
});
