import {
  constant,
  freeInputs,
  input,
  topologicalOrder,
  type Graph,
  type Tensor,
  type Value,
} from '../builder/ir.ts';
import type { Program, ProgramMetadata } from '../builder/program.ts';
import type { Shape } from '../builder/shape.ts';
import { metadataKey, producer } from './encode.ts';
import type { Types } from './foreign.ts';
import { functionKey, importNodes, opsetsOf, Scope, type Count, type Reading } from './nodes.ts';
import { Problems, shown } from './problems.ts';
import { decodeModel as decodeMessage, type Decoded } from './proto.ts';
import { decodeTensor, dtypeOf, elementName, type External } from './tensor.ts';

/** Opsets whose operators the importers know. */
const oldestOpset = 7;
const newestOpset = 26;
/** The newest form of a file that ONNX Runtime 1.29 opens. */
const newestIr = 13;

/** How a file is read, where its bytes alone do not say. */
export interface DecodeOptions {
  /** The bytes of a file that weights lie in, by its name in the model. */
  readonly external?: External;
  /** The outputs that are wanted; all when absent. Nodes that they do not need are not read. */
  readonly outputs?: readonly string[];
  /** Shapes of inputs instead of those in the file: numbers for what it leaves open. */
  readonly shapes?: Readonly<Record<string, Shape>>;
  /** Inputs of the graph that take the places of initializers, by the initializer's name; of the shape that it has. */
  readonly weights?: ReadonlyMap<string, Value>;
}

/** A model file as a graph. */
export interface DecodedModel {
  readonly graph: Graph;
  readonly metadata: Readonly<Record<string, string>>;
  /** Version of ONNX's operators that the file is written in. */
  readonly opset: number;
  /** Who wrote the file, such as `pytorch 2.9.0`; empty when it does not say. */
  readonly producer: string;
  /** Where the graph does not compute in the types of the file, a line each. */
  readonly notes: readonly string[];
}

/**
 * A model from its bytes. One that `encode` wrote becomes the graph that it was; of others, what depends on constants
 * alone is computed, and float64 is narrowed to float32.
 *
 * @throws Error in one line on a file that is broken.
 * @throws UnsupportedModelError on a file that holds what the builder cannot do: with all of it, not the first.
 */
export function decode(bytes: Uint8Array, options: DecodeOptions = {}): DecodedModel {
  const model = decodeModel(bytes);
  const proto = model.graph;
  if (!proto) throw new Error('decode: the model has no graph');
  const opset = checkedOpset(model);
  if (proto.sparseInitializer.length > 0) throw new Error('decode: sparse weights are not supported');

  const notes = new Set<string>();
  const isOwn = model.producerName === producer;
  const count = { nodes: 0, weights: 0, folded: 0 };
  const types = typesOf(options, isOwn, notes, count);
  const problems = new Problems();
  const scope = new Scope();
  const given = options.weights ?? new Map<string, Value>();
  for (const tensor of proto.initializer) {
    const { name } = tensor;
    scope.declare(name, () => given.get(name) ?? constant(types.tensorOf(tensor), name));
  }
  const inputs: Value[] = [...given.values()];
  for (const info of proto.input) {
    if (scope.has(info.name)) continue;
    const value = decodeInput(info, types, options.shapes?.[info.name]);
    scope.declare(info.name, () => value);
    inputs.push(value);
  }
  const wanted = options.outputs ?? proto.output.map(({ name }) => name);
  if (wanted.includes('')) throw new Error('decode: an output of the model has no name');
  const reading: Reading = {
    types,
    isOwn,
    problems,
    outputs: new Set(wanted),
    opsets: opsetsOf(model.opsetImport),
    functions: new Map(model.functions.map((f) => [functionKey(f.domain, f.name, f.overload), f])),
    within: [],
    count,
  };
  importNodes(proto.node, wanted, scope, reading);
  problems.throwIfAny();
  const outputs = Object.fromEntries(wanted.map((name) => [name, scope.get(name) as Value]));
  if (!isOwn && topologicalOrder(Object.values(outputs)).some(({ op }) => op === 'Range')) {
    throw new Error(
      'decode: Range: numbers up to an open size pick more than places in each row; bind the size',
    );
  }
  const used = options.outputs ? inputsOf(outputs, inputs) : inputs;
  return {
    graph: { name: proto.name, inputs: used, outputs },
    metadata: Object.fromEntries(model.metadataProps.map((p) => [p.key, p.value])),
    opset,
    producer: `${model.producerName} ${model.producerVersion}`.trim(),
    notes: [...notes],
  };
}

/** What a model takes and gives, read without its nodes. */
export interface Interface {
  /** Inputs that have no initializer, with their types as they are computed here. */
  readonly inputs: readonly Value[];
  readonly outputs: readonly string[];
}

/** The inputs and outputs of a model from its bytes. Throws on a file that is broken. */
export function decodeInterface(bytes: Uint8Array): Interface {
  const model = decodeModel(bytes);
  if (!model.graph) throw new Error('decode: the model has no graph');
  const { input: inputs, output: outputs, initializer } = model.graph;
  const weights = new Set(initializer.map(({ name }) => name));
  const count = { nodes: 0, weights: 0, folded: 0 };
  const types = typesOf({}, model.producerName === producer, new Set(), count);
  return {
    inputs: inputs
      .filter(({ name }) => !weights.has(name))
      .map((info) => decodeInput(info, types, undefined)),
    outputs: outputs.map(({ name }) => name),
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

/** What Git LFS writes in place of a large file begins with this. */
const pointer = 'version https://git-lfs';

/** A model in ONNX's own terms. Throws when the bytes are none. */
export function decodeModel(bytes: Uint8Array): Decoded<'Model'> {
  if (bytes.length === 0) throw new Error('decode: the file is empty');
  if (new TextDecoder().decode(bytes.subarray(0, pointer.length)) === pointer) {
    throw new Error('decode: the file is a pointer of Git LFS, which git lfs pull replaces by the model');
  }
  try {
    return decodeMessage(bytes);
  } catch (cause) {
    throw new Error('decode: the bytes are not an ONNX model, or are damaged', { cause });
  }
}

function checkedOpset(model: Decoded<'Model'>): number {
  const opset = opsetsOf(model.opsetImport).get('');
  if (opset === undefined || opset < oldestOpset || opset > newestOpset) {
    throw new Error(
      `decode: opset ${opset ?? 'none'} is not supported, only ${oldestOpset} to ${newestOpset}; ` +
        `export the model again with opset 17`,
    );
  }
  if (model.irVersion > newestIr) {
    throw new Error(`decode: IR version ${model.irVersion} is not supported, only up to ${newestIr}`);
  }
  return opset;
}

/** Types of a file as they are computed here; what is computed in another type is noted. */
function typesOf({ external }: DecodeOptions, isOwn: boolean, notes: Set<string>, count: Count): Types {
  const own = (code: number, what: string) => {
    const dtype = dtypeOf(code, what);
    const result = dtype === 'float64' && !isOwn ? 'float32' : dtype;
    const name = elementName(code);
    if (result !== ({ float: 'float32', double: 'float64' }[name] ?? name)) {
      notes.add(`${name === 'double' ? 'float64' : name} is computed in ${result}`);
    }
    return result;
  };
  const elements = new Map<Tensor, string>();
  return {
    dtypeOf: own,
    elementOf: (tensor) => elements.get(tensor),
    tensorOf: (tensor) => {
      const dtype = own(tensor.dataType, `tensor ${shown(tensor.name)}`);
      const found = decodeTensor(tensor, external);
      const result = found.dtype === dtype ? found : narrowed(found);
      count.weights += result.data.length;
      elements.set(result, elementName(tensor.dataType));
      return result;
    },
  };
}

const narrowed = ({ shape, data }: Tensor): Tensor => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(data as Float64Array),
});

/** An input's type; a dimension without a number, or with one that none can be, is open. */
function decodeInput(info: Decoded<'ValueInfo'>, types: Types, shape: Shape | undefined): Value {
  const type = info.type?.tensorType;
  const dims =
    shape ??
    type?.shape?.dim.map(
      (d, i) => d.dimParam || (Number(d.dimValue ?? 0) > 0 ? Number(d.dimValue) : `dim${i}`),
    );
  if (!type || !dims) throw new Error(`decode: input ${shown(info.name)} has no tensor shape`);
  return input(info.name, types.dtypeOf(type.elemType, `input ${shown(info.name)}`), dims);
}

/** Those of the inputs that the outputs depend on. */
function inputsOf(outputs: Readonly<Record<string, Value>>, inputs: readonly Value[]): readonly Value[] {
  const free = new Set(freeInputs(Object.values(outputs)).map(({ source }) => source));
  return inputs.filter(({ source }) => free.has(source));
}
