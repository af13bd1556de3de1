import { inputName, isFloat, lower } from '../builder/index.ts';
import type { Ports } from '../models/classifier/plans.ts';
import { decode, encode, intermediates, withOutputs, type External } from '../onnx/index.ts';
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

/**
 * The first node of a file whose result our graph computes otherwise, as `name (operator)`; null where none is found, or
 * the nodes cannot be compared one by one.
 *
 * @param images as many as the file takes at once.
 */
export async function partingNode(
  { bytes, external }: Files,
  { input, output }: Ports,
  images: Images,
  tolerance: number,
  options: SessionOptions,
): Promise<string | null> {
  try {
    const inside = intermediates(bytes, output.name);
    const fed = fileInput(input, images);
    const { graph } = decode(bytes, {
      external: fromFiles(external),
      outputs: inside.map(({ name }) => name),
      shapes: { [input.name]: fed.shape },
    });
    const outputs = Object.fromEntries(Object.entries(graph.outputs).filter(([, y]) => isFloat(y)));
    const ours = await valuesOf(
      { bytes: encode(lower({ ...graph, outputs }, 'plain')), external: {} },
      graph.inputs.map(inputName).includes(input.name) ? { [input.name]: asFloat32(fed) } : {},
      options,
    );
    const theirs = await valuesOf(
      {
        bytes: withOutputs(
          bytes,
          Object.keys(outputs).filter((name) => name !== output.name),
        ),
        external,
      },
      { [input.name]: fed },
      options,
    );
    const first = inside.find(({ name }) => {
      const [a, b] = [theirs[name], ours[name]];
      return a && b && !isNear(a, b, tolerance);
    });
    return first ? `${first.node} (${first.operator})` : null;
  } catch {
    // it would only say where, and what is to be said is that they part
    return null;
  }
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
): Promise<Readonly<Record<string, Float32Array>>> {
  const model = await openModel(bytes, options, external);
  try {
    const outputs = await model.run(fed);
    return Object.fromEntries(
      Object.entries(outputs).map(([name, tensor]) => [name, asFloat32(tensor).data as Float32Array]),
    );
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

function isNear(file: Float32Array, graph: Float32Array, tolerance: number): boolean {
  if (file.length !== graph.length) return false;
  let [difference, largest] = [0, 0];
  for (let i = 0; i < file.length; i++) {
    difference = Math.max(difference, Math.abs(file[i]! - graph[i]!));
    largest = Math.max(largest, Math.abs(file[i]!));
  }
  return difference <= tolerance * largest;
}
