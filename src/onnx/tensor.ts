import type { DType, Tensor, TensorData } from '../builder/ir.ts';
import { shown } from './problems.ts';
import { DataType, type Decoded, type Message } from './proto.ts';

/** ONNX's code of each element type that is written. */
export const dtypes: { readonly [K in DType]: number } = {
  float32: DataType.FLOAT,
  float64: DataType.DOUBLE,
  int64: DataType.INT64,
  int32: DataType.INT32,
  uint8: DataType.UINT8,
  bool: DataType.BOOL,
};

/** How the elements of a file's type stand in memory here. */
interface ElementType {
  readonly dtype: DType;
  readonly bytes: number;
  /** The field of a TensorProto that holds the elements, one by one, where there are no raw bytes. */
  readonly field: 'floatData' | 'int32Data' | 'int64Data' | 'doubleData' | 'uint64Data';
  /** One element of the raw bytes; absent where the bytes are the elements already. */
  readonly read?: (view: DataView, at: number) => number | bigint;
  /** One element of `int32Data`; absent where it is the number itself. */
  readonly fromInt32?: (bits: number) => number;
}

const elementTypes: { readonly [name in keyof typeof DataType]?: ElementType } = {
  FLOAT: { dtype: 'float32', bytes: 4, field: 'floatData' },
  DOUBLE: { dtype: 'float64', bytes: 8, field: 'doubleData' },
  INT64: { dtype: 'int64', bytes: 8, field: 'int64Data' },
  INT32: { dtype: 'int32', bytes: 4, field: 'int32Data' },
  UINT8: { dtype: 'uint8', bytes: 1, field: 'int32Data' },
  BOOL: { dtype: 'bool', bytes: 1, field: 'int32Data' },
  // what the builder has no type for is held in one that has room for it
  FLOAT16: {
    dtype: 'float32',
    bytes: 2,
    field: 'int32Data',
    read: (view, at) => halfFloat(view.getUint16(at, true)),
    fromInt32: halfFloat,
  },
  BFLOAT16: {
    dtype: 'float32',
    bytes: 2,
    field: 'int32Data',
    read: (view, at) => brainFloat(view.getUint16(at, true)),
    fromInt32: brainFloat,
  },
  INT8: { dtype: 'int32', bytes: 1, field: 'int32Data', read: (view, at) => view.getInt8(at) },
  UINT16: { dtype: 'int32', bytes: 2, field: 'int32Data', read: (view, at) => view.getUint16(at, true) },
  INT16: { dtype: 'int32', bytes: 2, field: 'int32Data', read: (view, at) => view.getInt16(at, true) },
  UINT32: {
    dtype: 'int64',
    bytes: 4,
    field: 'uint64Data',
    read: (view, at) => BigInt(view.getUint32(at, true)),
  },
  UINT64: { dtype: 'int64', bytes: 8, field: 'uint64Data' },
};

const elementsByCode: ReadonlyMap<number, ElementType> = new Map(
  Object.entries(elementTypes).map(([name, element]) => [DataType[name as keyof typeof DataType], element]),
);

/** Whether tensors of an element type can be read. */
export const isElement = (code: number): boolean => elementsByCode.has(code);

/** Sign, five bits of exponent, ten of fraction. */
function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

const scratch = new DataView(new ArrayBuffer(4));
/** The upper half of a float32. */
function brainFloat(bits: number): number {
  scratch.setUint32(0, (bits & 0xffff) << 16);
  return scratch.getFloat32(0);
}

/** The name of an ONNX element type, as people write it: `float16`. */
export const elementName = (code: number): string =>
  Object.entries(DataType)
    .find(([, value]) => value === code)?.[0]
    .toLowerCase() ?? `element type ${code}`;

/**
 * The dtype that holds elements of an ONNX type: its own, or a wider one, as float16 in float32 and int8 in int32. Throws,
 * naming `what`, on one that is not supported.
 */
export function dtypeOf(code: number, what: string): DType {
  const found = elementsByCode.get(code);
  if (!found) throw new Error(`decode: ${what} is of ${elementName(code)}, which is not supported`);
  return found.dtype;
}

/** A tensor under a name, as an initializer. */
export function encodeTensor(name: string, { dtype, shape, data }: Tensor): Message<'Tensor'> {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, dataType: dtypes[dtype], dims: [...shape], rawData };
}

/** The bytes of a file that weights lie in, by the name that the model gives it. */
export type External = (location: string) => Uint8Array;

const external = 1;

/**
 * A tensor from a file. Throws, naming it, on an element type that is not supported, on elements that do not fill its
 * shape, and on data in another file that `files` does not give.
 */
export function decodeTensor(tensor: Decoded<'Tensor'>, files?: External): Tensor {
  const what = `tensor ${shown(tensor.name) || 'without a name'}`;
  const dtype = dtypeOf(tensor.dataType, what);
  const element = elementsByCode.get(tensor.dataType)!;
  const shape = tensor.dims.map(Number);
  const size = shape.reduce((a, b) => a * b, 1);
  if (shape.some((dim) => dim < 0) || !Number.isSafeInteger(size)) {
    throw new Error(`decode: ${what} has the impossible shape [${shape}]`);
  }
  const raw = tensor.dataLocation === external ? externalBytes(tensor, what, files) : tensor.rawData;
  const isRaw = raw.length > 0 || tensor.dataLocation === external;
  const count = isRaw ? raw.length / element.bytes : tensor[element.field].length;
  if (count !== size) {
    throw new Error(
      `decode: ${what}: ${count} elements of ${elementName(tensor.dataType)} do not fill [${shape}]`,
    );
  }
  return { dtype, shape, data: isRaw ? fromBytes(element, raw) : fromFields(element, tensor) };
}

/** Whether a tensor's elements lie in another file. */
export const isExternal = ({ dataLocation }: Decoded<'Tensor'>): boolean => dataLocation === external;

/**
 * The raw bytes of a tensor of floating-point numbers, as a file holds them, with other numbers in it. One that is the same
 * in float32 keeps its bits.
 *
 * @param toHalf the bits of the nearest float16.
 * @throws Error when it is of another type, or of another size.
 */
export function rawWith(
  tensor: Decoded<'Tensor'>,
  numbers: Float32Array,
  toHalf: (value: number) => number,
  files?: External,
): Uint8Array {
  const name = elementName(tensor.dataType);
  const before = Float32Array.from(decodeTensor(tensor, files).data as Float32Array);
  if (before.length !== numbers.length) {
    throw new Error(`tensor ${shown(tensor.name)} has ${before.length} numbers, got ${numbers.length}`);
  }
  const raw = rawOf(tensor, name, files);
  const view = new DataView(raw.buffer);
  numbers.forEach((value, i) => {
    if (Object.is(value, before[i])) return;
    if (name === 'float') view.setFloat32(4 * i, value, true);
    else if (name === 'double') view.setFloat64(8 * i, value, true);
    else if (name === 'float16') view.setUint16(2 * i, toHalf(value), true);
    else if (name === 'bfloat16') view.setUint16(2 * i, toBrainFloat(value), true);
    else throw new Error(`tensor ${shown(tensor.name)} is of ${name}, which holds no weights`);
  });
  return raw;
}

/** A copy of a tensor's elements as bytes. */
function rawOf(tensor: Decoded<'Tensor'>, name: string, files?: External): Uint8Array {
  if (isExternal(tensor)) return new Uint8Array(externalBytes(tensor, shown(tensor.name), files));
  if (tensor.rawData.length > 0) return new Uint8Array(tensor.rawData);
  if (name === 'float') return new Uint8Array(Float32Array.from(tensor.floatData).buffer);
  if (name === 'double') return new Uint8Array(Float64Array.from(tensor.doubleData).buffer);
  return new Uint8Array(Uint16Array.from(tensor.int32Data).buffer);
}

/** The bits of the nearest bfloat16, the even one of two. */
function toBrainFloat(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

function externalBytes(tensor: Decoded<'Tensor'>, what: string, files?: External): Uint8Array {
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  const location = entries.get('location');
  if (!location) throw new Error(`decode: ${what} lies in another file, and the model does not say which`);
  if (!files) {
    throw new Error(`decode: ${what} lies in another file, ${location}, which is not given`);
  }
  const file = files(location);
  const offset = Number(entries.get('offset') ?? 0);
  const length = Number(entries.get('length') ?? file.length - offset);
  if (!(offset >= 0 && length >= 0 && offset + length <= file.length)) {
    throw new Error(
      `decode: ${what}: bytes ${offset} to ${offset + length} lie outside ${location} of ${file.length} bytes`,
    );
  }
  return file.subarray(offset, offset + length);
}

function fromFields({ dtype, bytes, field, fromInt32 }: ElementType, tensor: Decoded<'Tensor'>): TensorData {
  if (dtype === 'int64') return BigInt64Array.from(tensor[field] as readonly bigint[]);
  const numbers = tensor[field] as readonly number[];
  return arrays[dtype].from(fromInt32 && bytes === 2 ? numbers.map(fromInt32) : numbers);
}

function fromBytes({ dtype, bytes, read }: ElementType, raw: Uint8Array): TensorData {
  // copied: the bytes of a file lie at any address, and belong to somebody else
  if (!read) return viewAs(dtype, new Uint8Array(raw));
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const length = raw.length / bytes;
  if (dtype === 'int64') return BigInt64Array.from({ length }, (_, i) => read(view, i * bytes) as bigint);
  const out = new arrays[dtype](length);
  for (let i = 0; i < length; i++) out[i] = read(view, i * bytes) as number;
  return out;
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

const viewAs = (dtype: DType, { buffer }: { readonly buffer: ArrayBuffer }): TensorData =>
  dtype === 'int64' ? new BigInt64Array(buffer) : new arrays[dtype](buffer);
