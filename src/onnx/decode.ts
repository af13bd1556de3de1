import { attributeKind, traits, type AttributeKind } from '../builder/attributes.ts';
import { constant, input, type Graph, type Ops, type OpType, type Value } from '../builder/ir.ts';
import { apply } from '../builder/ops.ts';
import type { Program, ProgramMetadata } from '../builder/program.ts';
import { metadataKey, opset } from './encode.ts';
import { AttributeType, decodeModel as decodeMessage, type Decoded } from './proto.ts';
import { decodeTensor, dtypeOf } from './tensor.ts';

/** The first opset whose operators take their inputs and attributes as `Ops` has them; 18 moves axes to inputs. */
const oldestOpset = 13;

const attributeTypes: { readonly [K in AttributeKind]: number } = {
  dtype: AttributeType.INT,
  int: AttributeType.INT,
  float: AttributeType.FLOAT,
  ints: AttributeType.INTS,
  string: AttributeType.STRING,
  graph: AttributeType.GRAPH,
};

/** A model's graph and metadata from its bytes. Throws on anything the builder does not know, by name. */
export function decode(bytes: Uint8Array): {
  readonly graph: Graph;
  readonly metadata: Record<string, string>;
} {
  const model = decodeModel(bytes);
  const proto = model.graph;
  if (!proto) throw new Error('decode: the model has no graph');
  const version = model.opsetImport.find((o) => !o.domain)?.version;
  if (!(Number(version) >= oldestOpset && Number(version) <= opset)) {
    throw new Error(
      `decode: opset ${version ?? 'none'} is not supported, only ${oldestOpset} to ${opset}; ` +
        `export it again with opset_version=${opset}, or convert it with onnx.version_converter`,
    );
  }
  const values = new Map<string, Value | null>([['', null]]);
  for (const tensor of proto.initializer) {
    values.set(tensor.name, constant(decodeTensor(tensor), tensor.name));
  }
  const inputs: Value[] = [];
  for (const info of proto.input) {
    if (values.has(info.name)) continue;
    const value = decodeInput(info);
    values.set(info.name, value);
    inputs.push(value);
  }
  const get = (name: string): Value | null => {
    const value = values.get(name);
    if (value === undefined) throw new Error(`decode: value ${name} is used before it is made`);
    return value;
  };
  for (const node of proto.node) {
    const outputs = decodeNode(node, get);
    node.output.forEach((name, i) => {
      // an optional output that is left out has an empty name
      if (name) values.set(name, outputs[i] ?? null);
    });
  }
  return {
    graph: {
      name: proto.name,
      inputs,
      outputs: Object.fromEntries(proto.output.map((o) => [o.name, get(o.name)!])),
    },
    metadata: Object.fromEntries(model.metadataProps.map((p) => [p.key, p.value])),
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
export function decodeModel(bytes: Uint8Array): Decoded<'Model'> {
  try {
    return decodeMessage(bytes);
  } catch (cause) {
    throw new Error('decode: the bytes are not an ONNX model', { cause });
  }
}

function decodeNode(
  node: Decoded<'Node'>,
  get: (name: string) => Value | null,
): readonly (Value | undefined)[] {
  const op = node.opType;
  const what = `node ${node.name || node.output[0] || '?'} (${op})`;
  if (node.domain) throw new Error(`decode: ${what} is from domain ${node.domain}, which is not supported`);
  if (op === 'Constant') {
    const tensor = node.attribute.find((a) => a.name === 'value')?.t;
    if (!tensor) throw new Error(`decode: ${what} has no tensor value`);
    return [constant(decodeTensor(tensor))];
  }
  if (!Object.hasOwn(traits, op) || traits[op as OpType].private)
    throw new Error(`decode: ${what}: operator ${op} is not supported`);
  const attrs = Object.fromEntries(
    node.attribute.map((a) => [a.name, decodeAttribute(what, op as OpType, a)]),
  );
  const inputs = node.input.map(get) as unknown as Ops[OpType]['inputs'];
  try {
    return apply(op as OpType, inputs, attrs as Ops[OpType]['attrs']);
  } catch (cause) {
    throw new Error(`decode: ${what}: ${(cause as Error).message}`, { cause });
  }
}

function decodeAttribute(what: string, op: OpType, attribute: Decoded<'Attribute'>): unknown {
  const { name } = attribute;
  const kind = attributeKind(op, name);
  if (kind === undefined) throw new Error(`decode: ${what}: attribute ${name} is not supported`);
  if (attribute.type !== attributeTypes[kind])
    throw new Error(`decode: ${what}: attribute ${name} must be ${kind}, and has another type`);
  switch (kind) {
    case 'dtype':
      return dtypeOf(Number(attribute.i), what);
    case 'int':
      return Number(attribute.i);
    case 'float':
      return attribute.f;
    case 'ints':
      return attribute.ints.map(Number);
    case 'string':
      return new TextDecoder().decode(attribute.s);
    case 'graph':
      throw new Error(`decode: ${what}: attribute ${name} is a graph, which is not supported`);
    default:
      return kind satisfies never;
  }
}

function decodeInput(info: Decoded<'ValueInfo'>): Value {
  const type = info.type?.tensorType;
  if (!type?.shape) throw new Error(`decode: input ${info.name} has no tensor shape`);
  const shape = type.shape.dim.map((d, i) => d.dimParam || (d.dimValue ? Number(d.dimValue) : `dim${i}`));
  return input(info.name, dtypeOf(type.elemType, `input ${info.name}`), shape);
}
