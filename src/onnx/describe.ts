import type { Shape } from '../builder/shape.ts';
import { decodeModel } from './decode.ts';
import { opsetsOf } from './nodes.ts';
import type { Decoded } from './proto.ts';
import { elementName } from './tensor.ts';

/** An input or an output of a model, as its file declares it. */
export interface FilePort {
  readonly name: string;
  /** Its element type, such as `float16`; null where the file does not say. */
  readonly element: string | null;
  /** Open dimensions by name; null where the file does not say. */
  readonly shape: Shape | null;
}

/** An output, and the operator that makes it; null where it is an input or a weight. */
export interface FileOutput extends FilePort {
  readonly operator: string | null;
}

/** What a file says of a model, read without the meaning of its nodes, so that it is known of every file. */
export interface ModelDescription {
  readonly name: string;
  /** Who wrote the file; empty when it does not say. */
  readonly producer: string;
  /** Version of the file format. */
  readonly ir: number;
  /** Versions of the operator sets by domain; ONNX's own has the name `ai.onnx`. */
  readonly opsets: Readonly<Record<string, number>>;
  /** Inputs that have no initializer. */
  readonly inputs: readonly FilePort[];
  readonly outputs: readonly FileOutput[];
  /** How many nodes there are of each operator, those of functions and subgraphs among them; the most frequent first. */
  readonly operators: Readonly<Record<string, number>>;
  /** Elements of all weights. */
  readonly parameters: number;
  /** Names of the files that weights lie in. */
  readonly external: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

function modelOf(bytes: Uint8Array): Decoded<'Model'> {
  try {
    return decodeModel(bytes);
  } catch (cause) {
    throw new Error(`${(cause as Error).message}; take the whole .onnx file of a classifier`, { cause });
  }
}

/**
 * What a model's file says of it.
 *
 * @throws Error in one line when the bytes are no ONNX model.
 */
export function describeModel(bytes: Uint8Array): ModelDescription {
  const model = modelOf(bytes);
  const { graph } = model;
  if (!graph) throw new Error('decode: the model has no graph');
  const weights = new Set(graph.initializer.map(({ name }) => name));
  const maker = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, operatorOf(node)])));
  const counts = new Map<string, number>();
  const nodes = [...graph.node, ...model.functions.flatMap(({ node }) => node)];
  for (const node of nodes.flatMap(withInner)) {
    counts.set(operatorOf(node), (counts.get(operatorOf(node)) ?? 0) + 1);
  }
  const own = new Set(model.functions.map(({ domain, name }) => (domain ? `${domain}.${name}` : name)));
  const elements = ({ dims }: Decoded<'Tensor'>): number => dims.reduce((n, dim) => n * Number(dim), 1);
  const locations = graph.initializer.flatMap(({ externalData }) =>
    externalData.filter(({ key }) => key === 'location').map(({ value }) => value),
  );
  return {
    name: graph.name,
    producer: `${model.producerName} ${model.producerVersion}`.trim(),
    ir: Number(model.irVersion),
    opsets: Object.fromEntries(
      [...opsetsOf(model.opsetImport)].map(([domain, version]) => [domain || 'ai.onnx', version]),
    ),
    inputs: graph.input.filter(({ name }) => !weights.has(name)).map(portOf),
    outputs: graph.output.map((info) => ({ ...portOf(info), operator: maker.get(info.name) ?? null })),
    operators: Object.fromEntries(
      [...counts].filter(([name]) => !own.has(name)).toSorted(([, a], [, b]) => b - a),
    ),
    parameters: graph.initializer.reduce((n, tensor) => n + elements(tensor), 0),
    external: [...new Set(locations)],
    metadata: Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value])),
  };
}

const operatorOf = ({ domain, opType }: Decoded<'Node'>): string =>
  domain === '' || domain === 'ai.onnx' ? opType : `${domain}.${opType}`;

/** A node and those of the graphs inside it. */
const withInner = (node: Decoded<'Node'>): readonly Decoded<'Node'>[] => [
  node,
  ...node.attribute.flatMap(({ g }) => g?.node.flatMap(withInner) ?? []),
];

/** ONNX's names of types, as everybody else writes them. */
const typeName = (name: string): string => ({ float: 'float32', double: 'float64' })[name] ?? name;

function portOf({ name, type }: Decoded<'ValueInfo'>): FilePort {
  const tensor = type?.tensorType;
  return {
    name,
    element: tensor ? typeName(elementName(tensor.elemType)) : null,
    shape:
      tensor?.shape?.dim.map(
        (d, i) => d.dimParam || (Number(d.dimValue ?? 0) > 0 ? Number(d.dimValue) : `dim${i}`),
      ) ?? null,
  };
}
