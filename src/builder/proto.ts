import onnxProto from 'onnx-proto';
import {
  constant,
  input,
  inputName,
  topologicalOrder,
  type AnyNode,
  type DType,
  type Graph,
  type Tensor,
  type TensorData,
  type Value,
} from './ir.ts';
import { infer } from './infer.ts';
import { distinct, key, nameValues } from './names.ts';
import { apply, type Ops, type OpType } from './ops.ts';
import type { Dim } from './shape.ts';
import type { Program, ProgramMetadata } from './program.ts';

const { onnx } = onnxProto;
type GraphProto = onnxProto.onnx.IGraphProto;
type NodeProto = onnxProto.onnx.INodeProto;
type AttributeProto = onnxProto.onnx.IAttributeProto;
type ValueInfoProto = onnxProto.onnx.IValueInfoProto;
type TensorProto = onnxProto.onnx.ITensorProto;

/** ONNX opset of every emitted model. */
export const opset = 17;
/** The first opset whose operators take their inputs and attributes as `Ops` has them; 18 moves axes to inputs. */
const oldestOpset = 13;
const irVersion = 8;
const metadataKey = 'sparring.program';

const { DataType } = onnx.TensorProto;
const dtypes: { readonly [K in DType]: number } = {
  float32: DataType.FLOAT,
  float64: DataType.DOUBLE,
  int64: DataType.INT64,
  int32: DataType.INT32,
  uint8: DataType.UINT8,
  bool: DataType.BOOL,
};
/** The dtype of an ONNX element type. Throws, naming `what`, on one that is not supported. */
export const dtypeOf = (code: number, what: string): DType => {
  const found = Object.entries(dtypes).find(([, value]) => value === code);
  if (!found) throw new Error(`decode: ${what} has ONNX element type ${code}, which is not supported`);
  return found[0] as DType;
};

const { AttributeType } = onnx.AttributeProto;
/** Attributes that ONNX types as float even when the number is whole. */
const floatAttributes = new Set(['alpha', 'beta', 'epsilon', 'momentum']);

/**
 * The graph as a serialized ONNX ModelProto (IR 8, opset 17). The same graph gives the same bytes. Throws when an
 * operator that exists only before lowering is left.
 */
export function encode(graph: Graph, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const metadataProps = Object.entries(metadata).map(([k, value]) => ({ key: k, value }));
  return serialize({ ...modelProto(encodeGraph(graph)), metadataProps });
}

/** A model around a graph, as every file of ours begins. */
export const modelProto = (graph: GraphProto): onnxProto.onnx.IModelProto => ({
  irVersion,
  producerName: 'sparring',
  opsetImport: [{ domain: '', version: opset }],
  graph,
});

/** The bytes of a model. */
export const serialize = (model: onnxProto.onnx.IModelProto): Uint8Array =>
  onnx.ModelProto.encode(onnx.ModelProto.create(model)).finish();

/** A graph in ONNX's own terms, which whoever adds what a graph of values cannot say may extend. */
export function encodeGraph(graph: Graph, prefix = '', outer: ReadonlySet<string> = new Set()): GraphProto {
  const outputs = distinct(graph);
  const names = nameValues({ ...graph, outputs }, prefix, outer);
  const nameOf = (value: Value): string => names.get(key(value))!;
  const initializers = new Map<string, Tensor>();
  const order = topologicalOrder(Object.values(outputs));
  const read = new Set([...order.flatMap((n) => n.inputs), ...Object.values(outputs)]);
  for (const value of read) {
    if (value?.source.kind === 'constant') initializers.set(nameOf(value), value.source.tensor);
  }
  const visible = new Set([...outer, ...graph.inputs.map(inputName)]);
  return {
    name: graph.name,
    node: order.map((node) => encodeNode(node, { nameOf, read, visible })),
    input: graph.inputs.map((x) => valueInfo(inputName(x), x)),
    output: Object.entries(outputs).map(([name, y]) => valueInfo(name, y)),
    initializer: [...initializers].map(([name, tensor]) => encodeTensor(name, tensor)),
  };
}

/** What a node needs to know of the graph that it stands in. */
interface Scope {
  readonly nameOf: (value: Value) => string;
  /** Values that somebody reads: an optional output that nobody reads is left out. */
  readonly read: ReadonlySet<unknown>;
  /** Names that a loop's body may read. */
  readonly visible: ReadonlySet<string>;
}

/** A program as an ONNX file that describes itself: its metadata lies under the key `sparring.program`. */
export const encodeProgram = ({ graph, metadata }: Program): Uint8Array =>
  encode(graph, { [metadataKey]: JSON.stringify(metadata) });

/** A model's graph and metadata from its bytes. Throws on anything the builder does not know, by name. */
export function decode(bytes: Uint8Array): {
  readonly graph: Graph;
  readonly metadata: Record<string, string>;
} {
  const model = decodeModel(bytes);
  const proto = model.graph;
  if (!proto) throw new Error('decode: the model has no graph');
  const version = model.opsetImport?.find((o) => !o.domain)?.version;
  if (!(Number(version) >= oldestOpset && Number(version) <= opset)) {
    throw new Error(
      `decode: opset ${version ?? 'none'} is not supported, only ${oldestOpset} to ${opset}; ` +
        `export it again with opset_version=${opset}, or convert it with onnx.version_converter`,
    );
  }
  const values = new Map<string, Value | null>([['', null]]);
  for (const tensor of proto.initializer ?? []) {
    values.set(tensor.name!, constant(decodeTensor(tensor), tensor.name!));
  }
  const inputs: Value[] = [];
  for (const info of proto.input ?? []) {
    if (values.has(info.name!)) continue;
    const value = decodeInput(info);
    values.set(info.name!, value);
    inputs.push(value);
  }
  const get = (name: string): Value | null => {
    const value = values.get(name);
    if (value === undefined) throw new Error(`decode: value ${name} is used before it is made`);
    return value;
  };
  for (const node of proto.node ?? []) {
    const outputs = decodeNode(node, get);
    node.output?.forEach((name, i) => {
      // an optional output that is left out has an empty name
      if (name) values.set(name, outputs[i] ?? null);
    });
  }
  return {
    graph: {
      name: proto.name ?? '',
      inputs,
      outputs: Object.fromEntries((proto.output ?? []).map((o) => [o.name!, get(o.name!)!])),
    },
    metadata: Object.fromEntries((model.metadataProps ?? []).map((p) => [p.key!, p.value!])),
  };
}

/** A program from its bytes. Throws when the file has no `sparring.program` metadata. */
export function decodeProgram(bytes: Uint8Array): Program {
  const { graph, metadata } = decode(bytes);
  return { graph, metadata: parseMetadata(metadata[metadataKey]) };
}

function parseMetadata(text: string | undefined): ProgramMetadata {
  if (text === undefined)
    throw new Error(`decode: no ${metadataKey} in the model's metadata: it is not a program`);
  const parsed = JSON.parse(text) as ProgramMetadata;
  if (parsed.schema !== 1)
    throw new Error(`decode: ${metadataKey} has schema ${String(parsed.schema)}, expected 1`);
  return parsed;
}

/** A model in ONNX's own terms. Throws when the bytes are none. */
export function decodeModel(bytes: Uint8Array): onnxProto.onnx.ModelProto {
  try {
    return onnx.ModelProto.decode(bytes);
  } catch (cause) {
    throw new Error('decode: the bytes are not an ONNX model', { cause });
  }
}

/** Operators between differentiation and lowering, which no file holds. */
const isPrivate = (op: string): boolean =>
  op === 'ConvWeightGrad' || op === 'MaxPoolGrad' || op === 'StopGradient';

function encodeNode(node: AnyNode, { nameOf, read, visible }: Scope): NodeProto {
  const name = nameOf(node.outputs[0]!);
  if (isPrivate(node.op)) {
    throw new Error(`encode: ${node.op} is not an ONNX operator; lower the graph first`);
  }
  const inputs = node.inputs.map((x) => (x ? nameOf(x) : ''));
  while (inputs.at(-1) === '') inputs.pop();
  return {
    opType: node.op,
    name,
    input: inputs,
    output: node.outputs.filter((y, i) => i === 0 || read.has(y)).map(nameOf),
    attribute: Object.entries(node.attrs)
      .filter(([, value]) => value !== undefined)
      .map(([attribute, value]) =>
        isGraph(value)
          ? { name: attribute, type: AttributeType.GRAPH, g: encodeGraph(value, `${name}/`, visible) }
          : encodeAttribute(attribute, value),
      ),
  };
}

const isGraph = (value: unknown): value is Graph =>
  typeof value === 'object' && value !== null && 'inputs' in value && 'outputs' in value;

function encodeAttribute(name: string, value: unknown): AttributeProto {
  if (name === 'to') return { name, type: AttributeType.INT, i: dtypes[value as DType] };
  if (typeof value === 'string')
    return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) };
  if (Array.isArray(value)) return { name, type: AttributeType.INTS, ints: value as number[] };
  if (typeof value !== 'number') throw new Error(`encode: attribute ${name} cannot be written`);
  return floatAttributes.has(name)
    ? { name, type: AttributeType.FLOAT, f: value }
    : { name, type: AttributeType.INT, i: value };
}

function decodeNode(node: NodeProto, get: (name: string) => Value | null): readonly (Value | undefined)[] {
  const op = node.opType ?? '';
  const what = `node ${node.name || node.output?.[0] || '?'} (${op})`;
  if (node.domain) throw new Error(`decode: ${what} is from domain ${node.domain}, which is not supported`);
  if (op === 'Constant') {
    const tensor = node.attribute?.find((a) => a.name === 'value')?.t;
    if (!tensor) throw new Error(`decode: ${what} has no tensor value`);
    return [constant(decodeTensor(tensor))];
  }
  if (!Object.hasOwn(infer, op) || isPrivate(op))
    throw new Error(`decode: ${what}: operator ${op} is not supported`);
  const attrs = Object.fromEntries((node.attribute ?? []).map((a) => [a.name!, decodeAttribute(what, a)]));
  const inputs = (node.input ?? []).map(get) as unknown as Ops[OpType]['inputs'];
  try {
    return apply(op as OpType, inputs, attrs as Ops[OpType]['attrs']);
  } catch (cause) {
    throw new Error(`decode: ${what}: ${(cause as Error).message}`, { cause });
  }
}

function decodeAttribute(what: string, attribute: AttributeProto): unknown {
  const { name, type } = attribute;
  if (name === 'to') return dtypeOf(Number(attribute.i), what);
  if (type === AttributeType.FLOAT) return attribute.f;
  if (type === AttributeType.INT) return Number(attribute.i);
  if (type === AttributeType.INTS) return (attribute.ints ?? []).map(Number);
  if (type === AttributeType.STRING) return new TextDecoder().decode(attribute.s ?? new Uint8Array());
  throw new Error(`decode: ${what}: attribute ${name} has a type that is not supported`);
}

/** Name and type of a graph's input or output. */
export function valueInfo(
  name: string,
  { dtype, shape }: { dtype: DType; shape: readonly Dim[] },
): ValueInfoProto {
  const dim = shape.map((d) => (typeof d === 'number' ? { dimValue: d } : { dimParam: d }));
  return { name, type: { tensorType: { elemType: dtypes[dtype], shape: { dim } } } };
}

function decodeInput(info: ValueInfoProto): Value {
  const type = info.type?.tensorType;
  if (!type?.shape) throw new Error(`decode: input ${info.name} has no tensor shape`);
  const shape = (type.shape.dim ?? []).map(
    (d, i) => d.dimParam || (d.dimValue ? Number(d.dimValue) : `dim${i}`),
  );
  return input(info.name!, dtypeOf(type.elemType ?? 0, `input ${info.name}`), shape);
}

/** A tensor under a name, as an initializer. */
export function encodeTensor(name: string, { dtype, shape, data }: Tensor): TensorProto {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, dataType: dtypes[dtype], dims: [...shape], rawData };
}

const fields = {
  float32: 'floatData',
  float64: 'doubleData',
  int64: 'int64Data',
  int32: 'int32Data',
  uint8: 'int32Data',
  bool: 'int32Data',
} as const;

function decodeTensor(tensor: TensorProto): Tensor {
  const dtype = dtypeOf(tensor.dataType ?? 0, `tensor ${tensor.name}`);
  const shape = (tensor.dims ?? []).map(Number);
  if (tensor.dataLocation)
    throw new Error(`decode: tensor ${tensor.name} lies in another file, which is not supported`);
  const raw = tensor.rawData;
  if (raw && raw.length > 0) return { dtype, shape, data: viewAs(dtype, new Uint8Array(raw)) };
  const numbers = (tensor[fields[dtype]] ?? []) as readonly unknown[];
  if (dtype === 'int64') return { dtype, shape, data: BigInt64Array.from(numbers, (n) => BigInt(String(n))) };
  const data = viewAs(dtype, new Uint8Array(numbers.length * bytesOf[dtype])) as Float32Array;
  numbers.forEach((n, i) => (data[i] = Number(n)));
  return { dtype, shape, data };
}

const bytesOf = { float32: 4, float64: 8, int64: 8, int32: 4, uint8: 1, bool: 1 } as const;

function viewAs(dtype: DType, bytes: Uint8Array): TensorData {
  const { buffer, byteOffset } = bytes;
  const length = bytes.byteLength / bytesOf[dtype];
  switch (dtype) {
    case 'float32':
      return new Float32Array(buffer, byteOffset, length);
    case 'float64':
      return new Float64Array(buffer, byteOffset, length);
    case 'int64':
      return new BigInt64Array(buffer, byteOffset, length);
    case 'int32':
      return new Int32Array(buffer, byteOffset, length);
    case 'uint8':
    case 'bool':
      return bytes;
    default:
      return dtype satisfies never;
  }
}
