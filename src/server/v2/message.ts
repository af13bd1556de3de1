import type { ClassifierCard } from '../../runtime/classifier-card.ts';
import { valuesOf } from '../../runtime/classifier-card.ts';
import { parsed } from '../body.ts';
import { parseJson } from '../json-body.ts';
import { cut, invalid, Problem, shorten } from '../problem.ts';
import type { RequestLimits } from '../schemas.ts';
import { InferRequest, outputNames, type OutputName } from './schemas.ts';

/** The header that says where the JSON of a body ends and the values of its tensors begin. */
export const lengthHeader = 'inference-header-content-length';

/** A request for inference, read. */
export interface Inference {
  /** The values of n images, in 0..1. */
  readonly images: Float32Array;
  /** n. */
  readonly count: number;
  readonly id?: string;
  /** What is to be answered, and whether as bytes. */
  readonly outputs: readonly { readonly name: OutputName; readonly binary: boolean }[];
}

/**
 * Reads a request of the Open Inference Protocol, with tensors as JSON or as bytes behind it.
 *
 * @param length what {@link lengthHeader} says; undefined where all of the body is JSON.
 * @throws Problem which names the field, the value and the limit.
 */
export function readInference(
  body: Uint8Array,
  length: string | undefined,
  { image }: ClassifierCard,
  limits: RequestLimits,
): Inference {
  const end = length === undefined ? body.length : Number(length);
  if (!(Number.isInteger(end) && end >= 0 && end <= body.length && /^\d+$/.test(length ?? '0'))) {
    throw invalid({
      field: 'Inference-Header-Content-Length',
      message: 'It must be the number of bytes of the JSON',
      value: cut(length!),
      limit: body.length,
    });
  }
  const json = parseJson(body.subarray(0, end), limits, image);
  const { id, inputs, outputs, parameters } = parsed(InferRequest, json);
  const [input] = inputs;
  const { channels, height, width } = image;
  const [count] = input.shape;
  const shape = [count, channels, height, width];
  if (input.shape.join() !== shape.join()) {
    throw invalid({
      field: 'inputs[0].shape',
      message: `It must be [n,${shape.slice(1).join()}]`,
      value: input.shape.join(),
      limit: `n,${shape.slice(1).join()}`,
    });
  }
  if (count < 1 || count > limits.images) {
    const message = `There must be 1 to ${limits.images} images`;
    throw invalid({ field: 'inputs[0].shape[0]', message, value: count, limit: limits.images });
  }
  const images = new Float32Array(count * valuesOf(image));
  const size = input.parameters?.binary_data_size;
  if (size === undefined) fill(images, input.data);
  else fromBytes(images, body.subarray(end), size, input.data);
  demandUnit(images);
  const all = parameters?.binary_data_output ?? false;
  const asked =
    outputs?.map(({ name, parameters: own }) => ({ name, binary: own?.binary_data ?? all })) ?? [];
  const wanted = asked.length > 0 ? asked : outputNames.map((name) => ({ name, binary: all }));
  return { images, count, ...(id !== undefined && { id }), outputs: wanted };
}

/** Values of JSON, nested or flat. */
function fill(images: Float32Array, data: unknown): void {
  let at = 0;
  const take = (value: unknown): void => {
    if (Array.isArray(value)) for (const one of value) take(one);
    else if (typeof value !== 'number') {
      throw invalid({
        field: 'inputs[0].data',
        message: 'It must hold numbers',
        ...(value !== undefined && { value: shorten(value) }),
        limit: 'number',
      });
    } else images[at++] = value;
  };
  take(data);
  if (at === images.length) return;
  throw invalid({
    field: 'inputs[0].data',
    message: 'It must hold as many values as its shape says',
    value: at,
    limit: images.length,
  });
}

function fromBytes(images: Float32Array, bytes: Uint8Array, size: number, data: unknown): void {
  const expected = 4 * images.length;
  if (data !== undefined) {
    throw invalid({ field: 'inputs[0].data', message: 'It must be absent where the tensor comes as bytes' });
  }
  if (size !== expected || bytes.length !== expected) {
    throw invalid({
      field: 'inputs[0].parameters.binary_data_size',
      message: `The shape needs ${expected} bytes behind the JSON, and ${bytes.length} are there`,
      value: size,
      limit: expected,
    });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < images.length; at++) images[at] = view.getFloat32(4 * at, true);
}

function demandUnit(images: Float32Array): void {
  const odd = images.findIndex((value) => !(value >= 0 && value <= 1));
  if (odd < 0) return;
  throw invalid({
    field: `inputs[0].data[${odd}]`,
    message: 'Values of images must be in 0..1; the classifier is scaled inside',
    value: String(images[odd]),
    limit: 1,
  });
}

/** A tensor of an answer. */
export interface OutputTensor {
  readonly name: OutputName;
  readonly shape: readonly number[];
  readonly data: Float32Array;
  readonly binary: boolean;
}

/** An answer: JSON, and behind it the tensors that are wanted as bytes. */
export function writeInference(
  head: Readonly<Record<string, unknown>>,
  outputs: readonly OutputTensor[],
): { readonly body: Uint8Array<ArrayBuffer>; readonly headers: Readonly<Record<string, string>> } {
  const json = Buffer.from(
    JSON.stringify({
      ...head,
      outputs: outputs.map(({ name, shape, data, binary }) => ({
        name,
        shape,
        datatype: 'FP32',
        ...(binary ? { parameters: { binary_data_size: 4 * data.length } } : { data: numbersOf(data) }),
      })),
    }),
  );
  const binaries = outputs.filter(({ binary }) => binary);
  if (binaries.length === 0) return { body: json.slice(), headers: { 'content-type': 'application/json' } };
  const bytes = binaries.map(({ data }) => {
    const view = new DataView(new ArrayBuffer(4 * data.length));
    data.forEach((value, at) => view.setFloat32(4 * at, value, true));
    return new Uint8Array(view.buffer);
  });
  return {
    body: new Uint8Array(Buffer.concat([json, ...bytes])),
    headers: { 'content-type': 'application/octet-stream', [lengthHeader]: String(json.length) },
  };
}

/** JSON has no number for those that are none. */
function numbersOf(data: Float32Array): readonly number[] {
  if (data.every(Number.isFinite)) return Array.from(data);
  throw new Problem('unavailable', 'the classifier answers what is no number; ask for binary data');
}
