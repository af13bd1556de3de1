// The format of https://github.com/huggingface/safetensors, written here because npm has no maintained package for
// it: the one called safetensors is an abandoned 0.0.1.
import { z } from 'zod';
import { InputError } from './errors.ts';

/** A named array of a safetensors file. */
export interface Tensor {
  readonly dtype: 'float32' | 'int64' | 'int32' | 'uint8' | 'bool';
  /** The length of each dimension; `[]` is a scalar. */
  readonly shape: readonly number[];
  /** The elements, row-major, in the array type of the dtype: BigInt64Array for int64, Uint8Array (0, 1) for bool. */
  readonly data: Float32Array | BigInt64Array | Int32Array | Uint8Array;
}

/** What a safetensors file holds. */
export interface Safetensors {
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** The strings of `__metadata__`; empty if there are none. */
  readonly metadata: Readonly<Record<string, string>>;
}

// Typed arrays have the byte order of the machine: little-endian, as the format wants, wherever ONNX Runtime runs.
const DTYPES = {
  float32: { code: 'F32', array: Float32Array },
  int64: { code: 'I64', array: BigInt64Array },
  int32: { code: 'I32', array: Int32Array },
  uint8: { code: 'U8', array: Uint8Array },
  bool: { code: 'BOOL', array: Uint8Array },
} as const satisfies Record<Tensor['dtype'], object>;

const METADATA = '__metadata__';
const Length = z.int().nonnegative();
const Metadata = z.record(z.string(), z.string());
const Entry = z.strictObject({
  dtype: z.string(),
  shape: z.array(Length),
  data_offsets: z.tuple([Length, Length]),
});

/**
 * Writes tensors and strings as a safetensors file. Equal content gives equal bytes, whatever its order: names are
 * sorted by UTF-16 code units.
 *
 * @param metadata strings about the file, such as a format version.
 * @throws Error if a tensor is called `__metadata__`, or its data is not of its dtype and shape.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const sorted = [...tensors].sort(byName);
  for (const [name, { dtype, shape, data }] of sorted) {
    const { array } = DTYPES[dtype];
    if (!(data instanceof array) || data.length !== elements(shape)) {
      throw new Error(
        `tensor ${name}: ${dtype} [${shape.join(', ')}] takes a ${array.name} of ${elements(shape)}, ` +
          `got a ${data.constructor.name} of ${data.length}`,
      );
    }
  }
  const header = encodeHeader(sorted, metadata);
  const size = sorted.reduce((sum, [, { data }]) => sum + data.byteLength, 0);
  const bytes = new Uint8Array(header.length + size);
  bytes.set(header);
  let offset = header.length;
  for (const [, { data }] of sorted) {
    bytes.set(bytesOf(data), offset);
    offset += data.byteLength;
  }
  return bytes;
}

/** A tensor that comes in parts, one after another. */
export interface PartedTensor extends Pick<Tensor, 'dtype' | 'shape'> {
  readonly parts: () => Iterable<Tensor['data']> | AsyncIterable<Tensor['data']>;
}

/**
 * The bytes of {@link encodeSafetensors}, in parts, for what is too large to lie in memory twice.
 *
 * @throws Error if the parts of a tensor are not of its dtype, or not as many elements as its shape has.
 */
export async function* partedSafetensors(
  tensors: ReadonlyMap<string, PartedTensor>,
  metadata: Readonly<Record<string, string>>,
): AsyncGenerator<Uint8Array, void> {
  const sorted = [...tensors].sort(byName);
  yield encodeHeader(sorted, metadata);
  for (const [name, { dtype, shape, parts }] of sorted) {
    let count = 0;
    for await (const part of parts()) {
      if (!(part instanceof DTYPES[dtype].array)) throw new Error(`tensor ${name}: a part is not ${dtype}`);
      count += part.length;
      yield bytesOf(part);
    }
    if (count !== elements(shape)) {
      throw new Error(`tensor ${name}: [${shape.join(', ')}] takes ${elements(shape)} numbers, got ${count}`);
    }
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Tensor['data']): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** All that stands before the data. */
function encodeHeader(
  sorted: readonly (readonly [name: string, tensor: Pick<Tensor, 'dtype' | 'shape'>])[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  let size = 0;
  const entries = sorted.map(([name, { dtype, shape }]) => {
    const { code, array } = DTYPES[dtype];
    if (name === METADATA) throw new Error(`a tensor must not be called ${METADATA}; rename it`);
    const begin = size;
    size += elements(shape) * array.BYTES_PER_ELEMENT;
    return [name, { dtype: code, shape, data_offsets: [begin, size] }] as const;
  });
  const strings = Object.fromEntries(Object.entries(metadata).sort(byName));
  const json = new TextEncoder().encode(
    JSON.stringify(Object.fromEntries([[METADATA, strings], ...entries])),
  );
  const start = 8 + Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(start);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true);
  bytes.fill(0x20, 8); // the padding is spaces
  bytes.set(json, 8);
  return bytes;
}

/**
 * Reads a safetensors file of float32, int64, int32, uint8 and bool tensors.
 *
 * @param bytes the whole file; the tensors are views of it where its alignment lets them be, else copies.
 * @param what the name of the file, with which errors begin.
 * @throws InputError if anything in the file is not as the format wants it, or a tensor is of another dtype.
 */
export function decodeSafetensors(bytes: Uint8Array, what: string): Safetensors {
  const fail = (problem: string): never => {
    throw new InputError(`${what}: not a valid safetensors file: ${problem}`);
  };
  const { header, start } = readHeader(bytes, fail);
  const tensors = new Map<string, Tensor>();
  const spans: Span[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === METADATA) {
      metadata = check(Metadata, value, METADATA, fail);
      continue;
    }
    const { dtype: code, shape, data_offsets } = check(Entry, value, `tensor ${name}`, fail);
    const dtype = dtypeOf(code) ?? fail(`tensor ${name}: dtype ${code} is none of ${CODES.join(', ')}`);
    const [begin, end] = data_offsets;
    const { array } = DTYPES[dtype];
    if (end - begin !== elements(shape) * array.BYTES_PER_ELEMENT) {
      fail(`tensor ${name}: offsets ${begin}..${end} do not match ${code} [${shape.join(', ')}]`);
    }
    if (start + end > bytes.length) {
      fail(`tensor ${name}: ends at byte ${end} of the data, which has ${bytes.length - start} (truncated?)`);
    }
    const data = viewOrCopy(array, bytes, start + begin, elements(shape));
    if (dtype === 'bool' && data.some((flag) => flag > 1)) fail(`tensor ${name}: BOOL bytes must be 0 or 1`);
    spans.push({ name, begin, end });
    tensors.set(name, { dtype, shape, data });
  }
  checkSpans(spans, bytes.length - start, fail);
  return { tensors, metadata };
}

type Fail = (problem: string) => never;

interface Span {
  readonly name: string;
  readonly begin: number;
  readonly end: number;
}

const CODES = Object.values(DTYPES).map(({ code }) => code);

function dtypeOf(code: string): Tensor['dtype'] | undefined {
  return (Object.keys(DTYPES) as Tensor['dtype'][]).find((dtype) => DTYPES[dtype].code === code);
}

function readHeader(bytes: Uint8Array, fail: Fail): { header: object; start: number } {
  if (bytes.length < 8) fail(`${bytes.length} bytes, the length of the header alone takes 8`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > bytes.length - 8)
    fail(`a header of ${length} bytes in a file of ${bytes.length} (truncated?)`);
  const start = 8 + Number(length);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, start)));
  } catch {
    fail('the header is not JSON');
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    return fail('the header is not a JSON object');
  }
  return { header, start };
}

function check<T>(schema: z.ZodType<T>, value: unknown, name: string, fail: Fail): T {
  const { data, error } = schema.safeParse(value);
  if (error === undefined) return data;
  const [issue] = error.issues;
  return fail([name, issue?.path.join('.'), issue?.message].filter(Boolean).join(': '));
}

/** The tensors must follow each other without a gap or an overlap, from the first byte of the data to the last. */
function checkSpans(spans: readonly Span[], size: number, fail: Fail): void {
  let at = 0;
  for (const { name, begin, end } of spans.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < at) fail(`tensor ${name}: begins at byte ${begin}, inside the tensor before it`);
    if (begin > at) fail(`tensor ${name}: begins at byte ${begin}, after a gap from byte ${at}`);
    at = end;
  }
  if (at < size) fail(`${size - at} trailing bytes after the last tensor`);
}

function viewOrCopy(
  array: (typeof DTYPES)[Tensor['dtype']]['array'],
  bytes: Uint8Array,
  start: number,
  length: number,
): Tensor['data'] {
  const part = bytes.subarray(start, start + length * array.BYTES_PER_ELEMENT);
  const { buffer, byteOffset } =
    part.byteOffset % array.BYTES_PER_ELEMENT === 0 ? part : new Uint8Array(part);
  return new array(buffer as ArrayBuffer, byteOffset, length);
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

function byName(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : Number(a[0] > b[0]);
}
