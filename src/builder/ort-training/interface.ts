import type { Decoded } from '../onnx.ts';
import { decodeModel, dtypeOf } from '../proto.ts';
import { showType, type Type } from '../ir.ts';
import { descriptionKey, type Description } from './names.ts';

/** What a model of the training API shows to the outside. */
export interface Interface {
  /** Inputs in order, with their types as text: `float32[10]`, `seq(float32)`. */
  readonly inputs: ReadonlyMap<string, string>;
  readonly outputs: readonly string[];
  /** Operators that are not ONNX's own. */
  readonly ownOperators: readonly string[];
  readonly description: Description | null;
}

/** Reads a model's interface. Throws when the bytes are no ONNX model. */
export function interfaceOf(bytes: Uint8Array): Interface {
  const { graph, metadataProps } = decodeModel(bytes);
  if (!graph) throw new Error('decode: the model has no graph');
  const text = metadataProps.find(({ key }) => key === descriptionKey)?.value;
  return {
    inputs: new Map(graph.input.map((info) => [info.name, typeText(info)])),
    outputs: graph.output.map((info) => info.name),
    ownOperators: graph.node.flatMap((node) => (node.domain ? [node.opType] : [])),
    description: text ? (JSON.parse(text) as Description) : null,
  };
}

function typeText({ name, type }: Decoded<'ValueInfo'>): string {
  const element = type?.sequenceType?.elemType?.tensorType;
  if (element) return `seq(${dtypeOf(element.elemType, `input ${name}`)})`;
  const tensor = type?.tensorType;
  const shape = (tensor?.shape?.dim ?? []).map((d) => d.dimParam || Number(d.dimValue));
  return showType({ dtype: dtypeOf(tensor?.elemType ?? 0, `input ${name}`), shape } satisfies Type);
}
