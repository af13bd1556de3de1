import type { DType, Tensor, TensorData } from '../builder/ir.ts';
import { DataType, type Decoded, type Message } from './proto.ts';

/** ONNX's code of each element type. */
export const dtypes: { readonly [K in DType]: number } = {
  float32: DataType.FLOAT,
  float64: DataType.DOUBLE,
  int64: DataType.INT64,
  int32: DataType.INT32,
  uint8: DataType.UINT8,
  bool: DataType.BOOL,
};
/** The dtype of an ONNX element type. Throws, naming `what`, on one that is not supported. */
export const dtypeOf = (code: number, what: string): DType => {
  const found = Object.entries(dtypes).find(([, value]) => value === code);
  if (!found) throw new Error(`decode: ${what} has ONNX element type ${code}, which is not supported`);
  return found[0] as DType;
};

/** A tensor under a name, as an initializer. */
export function encodeTensor(name: string, { dtype, shape, data }: Tensor): Message<'Tensor'> {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, dataType: dtypes[dtype], dims: [...shape], rawData };
}

const fields = {
  float32: 'floatData',
  float64: 'doubleData',
  int32: 'int32Data',
  uint8: 'int32Data',
  bool: 'int32Data',
} as const;

/** A tensor from a file. Throws, naming it, on an element type that is not supported and on data in another file. */
export function decodeTensor(tensor: Decoded<'Tensor'>): Tensor {
  const dtype = dtypeOf(tensor.dataType, `tensor ${tensor.name}`);
  const shape = tensor.dims.map(Number);
  if (tensor.dataLocation)
    throw new Error(`decode: tensor ${tensor.name} lies in another file, which is not supported`);
  const raw = tensor.rawData;
  if (raw.length > 0) return { dtype, shape, data: viewAs(dtype, new Uint8Array(raw)) };
  if (dtype === 'int64') return { dtype, shape, data: BigInt64Array.from(tensor.int64Data) };
  const numbers = tensor[fields[dtype]];
  const data = viewAs(dtype, new Uint8Array(numbers.length * bytesOf[dtype])) as Float32Array;
  numbers.forEach((n, i) => (data[i] = n));
  return { dtype, shape, data };
}

const bytesOf = { float32: 4, float64: 8, int64: 8, int32: 4, uint8: 1, bool: 1 } as const;

function viewAs(dtype: DType, bytes: Uint8Array): TensorData {
  const { buffer, byteOffset } = bytes;
  const length = bytes.byteLength / bytesOf[dtype];
  switch (dtype) {
    case 'float32':
      return new Float32Array(buffer, byteOffset, length);
    case 'float64':
      return new Float64Array(buffer, byteOffset, length);
    case 'int64':
      return new BigInt64Array(buffer, byteOffset, length);
    case 'int32':
      return new Int32Array(buffer, byteOffset, length);
    case 'uint8':
    case 'bool':
      return bytes;
    default:
      return dtype satisfies never;
  }
}
