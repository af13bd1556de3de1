import {
  freeInputs,
  input,
  inputName,
  isFloat,
  lower,
  rewrite,
  type Graph,
  type Shape,
  type Value,
} from '../builder/index.ts';
import type { Ports } from '../models/classifier/plans.ts';
import {
  decode,
  encode,
  intermediates,
  withOutputs,
  type External,
  type Intermediate,
} from '../onnx/index.ts';
import type { Images } from '../runtime/attacks/index.ts';
import { fileInput } from '../runtime/audit/conversion.ts';
import { fromHalf } from '../runtime/half.ts';
import { openModel, type ExternalFiles, type FileTensor, type SessionOptions } from '../runtime/session.ts';
import { float32 } from '../runtime/tensor.ts';

/** A classifier's file with the files that its weights lie in. */
export interface Files {
  readonly bytes: Uint8Array;
  readonly external: ExternalFiles;
}

/** A file's nodes, and our graph with what each of them gives as an output of its name. */
export interface Inside {
  readonly nodes: readonly Intermediate[];
  readonly graph: Graph;
}

/** Reads a file with its inside, for images of a shape that the file takes. */
export function readInside({ bytes, external }: Files, { input: port, output }: Ports, shape: Shape): Inside {
  const nodes = intermediates(bytes, output.name);
  const { graph } = decode(bytes, {
    external: fromFiles(external),
    outputs: nodes.map(({ name }) => name),
    shapes: { [port.name]: shape },
  });
  return { nodes, graph };
}

/** How the nodes of a file and our reading of each are apart. */
export interface Steps {
  readonly compared: number;
  /** The largest difference of two numbers, in parts of the largest that the file's node gives. */
  readonly apart: number;
  /** The first node whose result our graph computes otherwise, as `name (operator)`; null where there is none. */
  readonly parting: string | null;
}

/**
 * Compares the nodes of a file with our reading of them, one by one: ours are given the operands that the file's own run
 * computed, so that no difference grows from node to node. Null where that cannot be done.
 *
 * @param images as many as the file takes at once.
 * @param read how the file is read.
 */
export async function compareSteps(
  files: Files,
  ports: Ports,
  images: Images,
  tolerance: number,
  options: SessionOptions,
  read: (...of: Parameters<typeof readInside>) => Inside = readInside,
): Promise<Steps | null> {
  try {
    const fed = fileInput(ports.input, images);
    const { nodes, graph } = read(files, ports, fed.shape);
    const steps = stepsOf(graph);
    const known = nodes.filter(({ name }) => steps.outputs[ours(name)]);
    const more = known.map(({ name }) => name).filter((name) => name !== ports.output.name);
    const file = await valuesOf(
      { ...files, bytes: withOutputs(files.bytes, more) },
      { [ports.input.name]: fed },
      options,
    );
    const operands: Readonly<Record<string, FileTensor>> = { ...file, [ports.input.name]: asFloat32(fed) };
    const own = await valuesOf(
      { bytes: encode(lower(steps, 'plain')), external: {} },
      Object.fromEntries(steps.inputs.map((x) => [inputName(x), operands[inputName(x)]!])),
      options,
    );
    const apart = known.map(({ name }) => relative(file[name]!.data, own[ours(name)]!.data));
    const first = known[apart.findIndex((part) => !(part <= tolerance))];
    return {
      compared: known.length,
      apart: Math.max(0, ...apart),
      parting: first ? `${first.node} (${first.operator})` : null,
    };
  } catch {
    // it would only say where, and what is to be said is that they part
    return null;
  }
}

/** What we compute of a value of the file. */
const ours = (name: string): string => `ours/${name}`;

/** A graph cut at each of its outputs: what comes after one reads an input of its name. */
function stepsOf(graph: Graph): Graph {
  const names = new Map<Value, string>();
  for (const [name, y] of Object.entries(graph.outputs)) {
    if (isFloat(y) && !names.has(y)) names.set(y, name);
  }
  const computed = new Map<Value, Value>();
  const cut = rewrite(graph, (node, original) =>
    original.outputs.map((y, i) => {
      const own = node.outputs[i]!;
      const name = names.get(y);
      if (name === undefined) return own;
      computed.set(y, own);
      return input(name, own.dtype, own.shape);
    }),
  );
  const outputs = Object.entries(graph.outputs).flatMap(([name, y]) => {
    const isFirst = names.get(y) === name;
    const own = isFirst ? computed.get(y) : cut.outputs[name];
    return isFloat(y) ? [[ours(name), own ?? cut.outputs[name]!] as const] : [];
  });
  return { ...graph, inputs: freeInputs(outputs.map(([, y]) => y)), outputs: Object.fromEntries(outputs) };
}

/** Files by name, as `decode` asks for them. */
export const fromFiles =
  (external: ExternalFiles): External =>
  (location) => {
    const bytes = external[location];
    if (!bytes) throw new Error(`decode: ${location}, which weights lie in, is not given`);
    return bytes;
  };

async function valuesOf(
  { bytes, external }: Files,
  fed: Readonly<Record<string, FileTensor>>,
  options: SessionOptions,
): Promise<Readonly<Record<string, FileTensor>>> {
  const model = await openModel(bytes, options, external);
  try {
    const outputs = await model.run(fed);
    return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, asFloat32(tensor)]));
  } finally {
    await model.close();
  }
}

/** Floats of other sizes in float32, as our graphs compute them. */
function asFloat32(tensor: FileTensor): FileTensor {
  const { dtype, shape, data } = tensor;
  if (dtype === 'float64') return float32(shape, Float32Array.from(data));
  if (dtype !== 'float16') return tensor;
  return float32(
    shape,
    data instanceof Uint16Array ? Float32Array.from(data, fromHalf) : Float32Array.from(data),
  );
}

/** How far two results are apart, in parts of the largest number of the first. */
function relative(file: FileTensor['data'], graph: FileTensor['data']): number {
  if (file.length !== graph.length) return Infinity;
  let [difference, largest] = [0, 0];
  for (let i = 0; i < file.length; i++) {
    const [a, b] = [Number(file[i]), Number(graph[i])];
    // infinities and what is no number may be equal, and nothing else
    if (!Object.is(a, b)) difference = Math.max(difference, Math.abs(a - b));
    if (Number.isFinite(a)) largest = Math.max(largest, Math.abs(a));
  }
  return difference === 0 ? 0 : difference / largest;
}
