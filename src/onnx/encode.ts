import { attributeKind, traits } from '../builder/attributes.ts';
import {
  inputName,
  topologicalOrder,
  type AnyNode,
  type DType,
  type Graph,
  type OpType,
  type Tensor,
  type Value,
} from '../builder/ir.ts';
import { distinct, key, nameValues } from '../builder/names.ts';
import type { Program } from '../builder/program.ts';
import type { Dim } from '../builder/shape.ts';
import { AttributeType, encodeModel, type Message } from './proto.ts';
import { dtypes, encodeTensor } from './tensor.ts';

/** ONNX opset of every emitted model. */
export const opset = 17;
const irVersion = 8;
/** Who a file says has written it. */
export const producer = 'sparring';
/** Where a program's metadata lies in the metadata of its file. */
export const metadataKey = 'sparring.program';

/**
 * The graph as a serialized ONNX ModelProto (IR 8, opset 17). The same graph gives the same bytes. Throws when an
 * operator that exists only before lowering is left.
 */
export function encode(graph: Graph, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const metadataProps = Object.entries(metadata).map(([k, value]) => ({ key: k, value }));
  return encodeModel({ ...modelProto(encodeGraph(graph)), metadataProps });
}

/** A model around a graph, as every file of ours begins. */
export const modelProto = (graph: Message<'Graph'>): Message<'Model'> => ({
  irVersion,
  producerName: producer,
  opsetImport: [{ domain: '', version: opset }],
  graph,
});

/** A graph in ONNX's own terms, which whoever adds what a graph of values cannot say may extend. */
export function encodeGraph(
  graph: Graph,
  prefix = '',
  outer: ReadonlySet<string> = new Set(),
): Message<'Graph'> {
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

function encodeNode(node: AnyNode, { nameOf, read, visible }: Scope): Message<'Node'> {
  const name = nameOf(node.outputs[0]!);
  if (traits[node.op].private) {
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
          : encodeAttribute(node.op, attribute, value),
      ),
  };
}

const isGraph = (value: unknown): value is Graph =>
  typeof value === 'object' && value !== null && 'inputs' in value && 'outputs' in value;

function encodeAttribute(op: OpType, name: string, value: unknown): Message<'Attribute'> {
  const kind = attributeKind(op, name);
  switch (kind) {
    case 'dtype':
      return { name, type: AttributeType.INT, i: dtypes[value as DType] };
    case 'int':
      return { name, type: AttributeType.INT, i: value as number };
    case 'float':
      return { name, type: AttributeType.FLOAT, f: value as number };
    case 'ints':
      return { name, type: AttributeType.INTS, ints: value as number[] };
    case 'string':
      return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value as string) };
    case 'graph':
    case undefined:
      throw new Error(`encode: ${op} has no attribute ${name} that can be written`);
    default:
      return kind satisfies never;
  }
}

/** Name and type of a graph's input or output. */
export function valueInfo(
  name: string,
  { dtype, shape }: { dtype: DType; shape: readonly Dim[] },
): Message<'ValueInfo'> {
  const dim = shape.map((d) => (typeof d === 'number' ? { dimValue: d } : { dimParam: d }));
  return { name, type: { tensorType: { elemType: dtypes[dtype], shape: { dim } } } };
}
