import { constant, constantNumbers, type Value } from '../builder/ir.ts';
import { folded } from '../builder/fold-constants.ts';
import { foreign, type Foreign, type Types } from './foreign.ts';
import { importerOf, isOperator, ownImporterOf } from './operators/index.ts';
import { shown, type Problems } from './problems.ts';
import type { Decoded } from './proto.ts';

/** More nodes than this, functions written out, are no classifier. */
const mostNodes = 200_000;
/** Elements of constants that are computed here, and how often each weight may be made anew. */
const mostFolded = 2 ** 25;
const mostCopies = 4;

/** Versions of the operator sets that a model or a function is written in, by domain. */
export const opsetsOf = (imports: readonly Decoded<'OperatorSetId'>[]): ReadonlyMap<string, number> =>
  new Map(imports.map(({ domain, version }) => [ownDomain(domain), Number(version)]));

/** ONNX's own domain has two names. */
const ownDomain = (domain: string): string => (domain === 'ai.onnx' ? '' : domain);

/** A value, or what makes it when it is first read. */
type Declared = Value | null | 'unread' | (() => Value | 'unread');

/** The values of a graph by name. A value whose node could not be imported is `unread`. */
export class Scope {
  private readonly values = new Map<string, Declared>();
  private readonly outer: Scope | null;
  constructor(outer: Scope | null = null) {
    this.outer = outer;
  }
  has(name: string): boolean {
    return this.values.has(name);
  }
  /** Gives a name its value, made when it is first read. */
  declare(name: string, value: Declared): void {
    if (this.values.has(name)) throw new Error(`decode: two values are named ${shown(name)}`);
    this.values.set(name, value);
  }
  find(name: string): Value | null | 'unread' | undefined {
    if (name === '') return null; // an optional input that is left out
    const value = this.values.get(name);
    if (value === undefined) return this.outer?.find(name);
    if (typeof value !== 'function') return value;
    const made = value();
    this.values.set(name, made);
    return made;
  }
  /** The value of a name that must have one, unless its node could not be imported. */
  get(name: string): Value | null | 'unread' {
    const value = this.find(name);
    if (value === undefined) throw new Error(`decode: value ${shown(name)} is used before it is made`);
    return value;
  }
}

/** What has been read so far, so that a small file cannot become a large graph. */
export interface Count {
  nodes: number;
  /** Elements of the file's weights, and of constants that were computed from them. */
  weights: number;
  folded: number;
}

/** What reading the nodes of a graph, or of a function in it, needs of the file. */
export interface Reading {
  readonly types: Types;
  /** The file is one that `encode` wrote, and is read as it stands. */
  readonly isOwn: boolean;
  readonly problems: Problems;
  /** Names of the model's outputs. */
  readonly outputs: ReadonlySet<string>;
  readonly opsets: ReadonlyMap<string, number>;
  readonly functions: ReadonlyMap<string, Decoded<'Function'>>;
  /** The functions that are being written out. */
  readonly within: readonly string[];
  readonly count: Count;
}

/** The nodes that the outputs need, each made of values in `scope`. */
export function importNodes(
  nodes: readonly Decoded<'Node'>[],
  outputs: readonly string[],
  scope: Scope,
  reading: Reading,
): void {
  const made = new Set<string>();
  for (const name of nodes.flatMap(({ output }) => output)) {
    if (name && (made.has(name) || scope.has(name)))
      throw new Error(`decode: two values are named ${shown(name)}`);
    made.add(name);
  }
  for (const node of needed(nodes, outputs)) {
    if (++reading.count.nodes > mostNodes) throw new Error(`decode: the model has over ${mostNodes} nodes`);
    const results = importNode(node, scope, reading);
    node.output.forEach((name, i) => {
      // an optional output that is left out has an empty name
      if (name)
        scope.declare(name, results === 'unread' ? results : (results[i] ?? absent(node, i, reading)));
    });
  }
  outputs.forEach((name) => scope.get(name));
}

/** An output that its importer does not make, which is a problem only when somebody reads it. */
const absent =
  (node: Decoded<'Node'>, index: number, { problems }: Reading) =>
  (): 'unread' => {
    problems.add(`output ${index + 1} of ${node.opType} is not supported`, labelOf(node));
    return 'unread';
  };

const labelOf = (node: Decoded<'Node'>): string => node.name || node.output.find((name) => name) || '?';

/** The nodes that the outputs depend on, in the file's order, which is that of computation. */
export function needed(
  nodes: readonly Decoded<'Node'>[],
  outputs: readonly string[],
): readonly Decoded<'Node'>[] {
  const wanted = new Set(outputs);
  return nodes
    .toReversed()
    .filter((node) => {
      if (!node.output.some((name) => wanted.has(name))) return false;
      readBy(node).forEach((name) => wanted.add(name));
      return true;
    })
    .reverse();
}

/** The names that a node reads; those that its subgraphs read are among them. */
const readBy = (node: Decoded<'Node'>): readonly string[] => [
  ...node.input,
  ...node.attribute.flatMap(({ g }) =>
    g ? [...g.node.flatMap(readBy), ...g.output.map((o) => o.name)] : [],
  ),
];

type Results = readonly (Value | null)[] | 'unread';

function importNode(node: Decoded<'Node'>, scope: Scope, reading: Reading): Results {
  const { problems, opsets } = reading;
  const domain = ownDomain(node.domain);
  const op = domain ? `${domain}.${node.opType}` : node.opType;
  const label = labelOf(node);
  const own = reading.functions.get(functionKey(domain, node.opType, node.overload));
  const opset = opsets.get(domain) ?? 1;
  if (!own && op !== 'If' && !isOperator(op)) {
    problems.add(`operator ${op} is not supported`, label);
    return 'unread';
  }
  const found = node.input.map((name) => scope.get(name));
  if (found.includes('unread')) return 'unread';
  const given = found as (Value | null)[];
  try {
    if (own) return inlined(own, node, given, reading);
    if (op === 'If') return branch(node, given[0] ?? null, scope, reading);
    const importer = reading.isOwn ? ownImporterOf(op) : importerOf(op, opset);
    if (!importer) throw new Error(`opset ${opset} is not supported`);
    const { node: read, unread } = foreign(node, { op, opset, given }, reading.types);
    const results = [importer(read)].flat();
    for (const name of unread()) problems.add(`${op}: attribute ${name} is not supported`, label);
    if (reading.isOwn) return results;
    return results.map((y, i) => y && settled(y, read, node.output[i] ?? '', reading));
  } catch (error) {
    if (!(error instanceof Error) || error.message.startsWith('decode: ')) throw error;
    problems.add(error.message.startsWith(`${op}: `) ? error.message : `${op}: ${error.message}`, label);
    return 'unread';
  }
}

/** A result as a constant under its name where it is known now. An output of the model keeps the node that names it. */
function settled(y: Value, { op }: Foreign, name: string, { outputs, within, count }: Reading): Value {
  if (outputs.has(name) && within.length === 0) return y;
  const named = op === 'Identity' && y.source.kind === 'node' ? y.source.inputs[0] : null;
  if (named?.source.kind === 'constant') return named;
  const result = folded(y, [...within, name].join('/'));
  if (result.source.kind === 'constant') count.folded += result.source.tensor.data.length;
  if (count.folded > mostFolded + mostCopies * count.weights) {
    throw new Error('decode: the model computes more constants than its weights account for');
  }
  return result;
}

export const functionKey = (domain: string, name: string, overload: string): string =>
  `${ownDomain(domain)}.${name}.${overload}`;

/** A call of a function that the model brings, written out. */
function inlined(
  own: Decoded<'Function'>,
  call: Decoded<'Node'>,
  given: readonly (Value | null)[],
  reading: Reading,
): Results {
  const key = functionKey(own.domain, own.name, own.overload);
  if (reading.within.some((name) => name.startsWith(`${key}#`))) {
    throw new Error(`decode: function ${shown(own.name)} calls itself`);
  }
  const scope = new Scope();
  own.input.forEach((name, i) => scope.declare(name, given[i] ?? null));
  const attributes = new Map([...own.attributeProto, ...call.attribute].map((a) => [a.name, a]));
  const nodes = own.node.map((node) => withAttributes(node, attributes));
  const imports = opsetsOf(own.opsetImport);
  importNodes(nodes, own.output, scope, {
    ...reading,
    opsets: imports.size > 0 ? imports : reading.opsets,
    within: [...reading.within, `${key}#${reading.count.nodes}`],
  });
  const results = own.output.map((name) => scope.get(name));
  return results.includes('unread') ? 'unread' : (results as (Value | null)[]);
}

/** A node of a function with the attributes of its call; one that the call leaves out is left out here too. */
function withAttributes(
  node: Decoded<'Node'>,
  attributes: ReadonlyMap<string, Decoded<'Attribute'>>,
): Decoded<'Node'> {
  const attribute = node.attribute.flatMap((own) => {
    if (!own.refAttrName) return [own.g ? { ...own, g: within(own.g, attributes) } : own];
    const bound = attributes.get(own.refAttrName);
    return bound ? [{ ...bound, name: own.name }] : [];
  });
  return { ...node, attribute };
}

const within = (
  graph: Decoded<'Graph'>,
  attributes: ReadonlyMap<string, Decoded<'Attribute'>>,
): Decoded<'Graph'> => ({ ...graph, node: graph.node.map((node) => withAttributes(node, attributes)) });

/** If: the branch that a known condition takes, written out. */
function branch(node: Decoded<'Node'>, condition: Value | null, scope: Scope, reading: Reading): Results {
  const known = condition && constantNumbers(condition);
  if (!known) throw new Error('its condition is computed from the image');
  const name = known[0] ? 'then_branch' : 'else_branch';
  const graph = node.attribute.find((a) => a.name === name)?.g;
  if (!graph) throw new Error(`it has no ${name}`);
  const own = new Scope(scope);
  for (const tensor of graph.initializer) {
    own.declare(tensor.name, () => constant(reading.types.tensorOf(tensor), tensor.name));
  }
  const outputs = graph.output.map((output) => output.name);
  importNodes(graph.node, outputs, own, reading);
  const results = outputs.map((output) => own.get(output));
  return results.includes('unread') ? 'unread' : (results as (Value | null)[]);
}
