import type * as b from '../../src/builder/index.ts';
import { AttributeType, encodeModel, type Message } from '../../src/onnx/proto.ts';
import { encodeTensor } from '../../src/onnx/tensor.ts';
import { valueInfo } from '../../src/onnx/encode.ts';

/** An attribute as ONNX types it: a number is an int, unless it is said to be a float. */
export type Attribute =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly tensor: b.Tensor };

export function attributeOf(name: string, value: Attribute): Message<'Attribute'> {
  if (typeof value === 'number') return { name, type: AttributeType.INT, i: value };
  if (typeof value === 'string') {
    return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) };
  }
  if ('float' in value) return { name, type: AttributeType.FLOAT, f: value.float };
  if ('floats' in value) return { name, type: AttributeType.FLOATS, floats: value.floats };
  if ('tensor' in value) return { name, type: AttributeType.TENSOR, t: encodeTensor('', value.tensor) };
  return { name, type: AttributeType.INTS, ints: value };
}

/** One node of another tool's file; `op` may have a domain before it. */
export interface ForeignNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

export interface ForeignFile {
  readonly opset: number;
  readonly inputs: readonly { readonly name: string; readonly type: b.Type }[];
  readonly nodes: readonly ForeignNode[];
  readonly weights?: Readonly<Record<string, b.Tensor>>;
  /** By name, or with the type that the file declares. */
  readonly outputs: readonly (string | { readonly name: string; readonly type: b.Type })[];
}

export function protoNode({ op, inputs, outputs, attributes = {} }: ForeignNode): Message<'Node'> {
  const at = op.lastIndexOf('.');
  return {
    opType: op.slice(at + 1),
    domain: op.slice(0, Math.max(0, at)),
    input: inputs,
    output: outputs,
    attribute: Object.entries(attributes).map(([name, value]) => attributeOf(name, value)),
  };
}

/** A model as another tool would have written it. */
export function foreignProto({ opset, inputs, nodes, weights = {}, outputs }: ForeignFile): Message<'Model'> {
  return {
    irVersion: 8,
    producerName: 'another tool',
    opsetImport: [
      { domain: '', version: opset },
      { domain: 'com.microsoft', version: 1 },
    ],
    graph: {
      name: 'foreign',
      node: nodes.map(protoNode),
      input: inputs.map(({ name, type }) => valueInfo(name, type)),
      initializer: Object.entries(weights).map(([name, tensor]) => encodeTensor(name, tensor)),
      output: outputs.map((output) =>
        typeof output === 'string' ? { name: output } : valueInfo(output.name, output.type),
      ),
    },
  };
}

export const foreignFile = (file: ForeignFile): Uint8Array => encodeModel(foreignProto(file));
