import { tensorOf, type Tensor } from '../../src/builder/index.ts';
import { DataType, encodeModel, type Message } from '../../src/onnx/proto.ts';
import { toHalf } from '../../src/runtime/half.ts';
import { stream } from '../../src/runtime/random.ts';
import { foreignProto } from './foreign.ts';

const random = stream(1, 'trainable');
const drawn = (size: number, ...shape: readonly number[]): Tensor => {
  const count = shape.reduce((a, b) => a * b, 1);
  return tensorOf(
    'float32',
    shape,
    Array.from({ length: count }, () => Math.fround(size * (2 * random.uniform() - 1))),
  );
};

const weights = {
  'pixel means': drawn(0.1, 28, 28, 1),
  kernel: drawn(0.3, 5, 5, 1, 4), // [kH,kW,in,out], which a node turns round
  scale: drawn(1, 4),
  shift: drawn(0.1, 4),
  mean: drawn(0.1, 4),
  variance: tensorOf('float32', [4], [0.9, 1, 1.1, 1.2]),
  hidden: drawn(0.1, 784, 24), // float16 in the file
  'hidden bias': drawn(0.1, 24),
  answer: drawn(0.3, 10, 24), // read by a Gemm that transposes it
  'answer bias': drawn(0.1, 10),
  unused: drawn(1, 3),
} as const;

/** The initializers of {@link trainable} that are trained, and why the others are not. */
export const trainedNames = ['kernel', 'scale', 'shift', 'hidden', 'hidden bias', 'answer', 'answer bias'];
export const frozenNames = {
  'pixel means': 'preprocessing',
  mean: 'statistics of batch norm',
  variance: 'statistics of batch norm',
  unused: 'no gradient reaches it',
};

/**
 * A classifier of digits as no tool of ours writes it: images in NHWC, means of pixels taken off, a kernel that is stored in
 * another order, batch norm with its statistics, a weight of float16 behind a Cast, a Gemm with transB, opset 13, a
 * field that nobody knows.
 *
 * @param where its weights lie.
 * @param location the name of the file of weights that lie outside.
 */
export function trainable(
  where: 'inside' | 'outside' = 'inside',
  location = 'weights.bin',
): {
  readonly bytes: Uint8Array;
  readonly external: Readonly<Record<string, Uint8Array>>;
} {
  const proto = foreignProto({
    opset: 13,
    inputs: [{ name: 'pixels', type: { dtype: 'float32', shape: ['n', 28, 28, 1] } }],
    weights,
    nodes: [
      { op: 'Sub', inputs: ['pixels', 'pixel means'], outputs: ['centred'] },
      { op: 'Transpose', inputs: ['centred'], outputs: ['x'], attributes: { perm: [0, 3, 1, 2] } },
      { op: 'Transpose', inputs: ['kernel'], outputs: ['w'], attributes: { perm: [3, 2, 0, 1] } },
      {
        op: 'Conv',
        inputs: ['x', 'w'],
        outputs: ['maps'],
        attributes: { strides: [2, 2], pads: [2, 2, 2, 2] },
      },
      {
        op: 'BatchNormalization',
        inputs: ['maps', 'scale', 'shift', 'mean', 'variance'],
        outputs: ['normed'],
      },
      { op: 'Relu', inputs: ['normed'], outputs: ['active'] },
      { op: 'Flatten', inputs: ['active'], outputs: ['row'] },
      { op: 'Cast', inputs: ['hidden'], outputs: ['hidden32'], attributes: { to: DataType.FLOAT } },
      { op: 'MatMul', inputs: ['row', 'hidden32'], outputs: ['product'] },
      { op: 'Add', inputs: ['product', 'hidden bias'], outputs: ['sum'] },
      { op: 'Relu', inputs: ['sum'], outputs: ['features'] },
      {
        op: 'Gemm',
        inputs: ['features', 'answer', 'answer bias'],
        outputs: ['scores'],
        attributes: { transB: 1 },
      },
    ],
    outputs: [{ name: 'scores', type: { dtype: 'float32', shape: ['n', 10] } }],
  });
  const initializer = proto.graph!.initializer!.map((tensor) =>
    tensor.name === 'hidden'
      ? { ...tensor, dataType: DataType.FLOAT16, rawData: halves(weights.hidden.data as Float32Array) }
      : tensor,
  );
  const model = (tensors: readonly Message<'Tensor'>[]): Uint8Array => {
    const known = encodeModel({
      ...proto,
      graph: { ...proto.graph!, initializer: tensors },
      metadataProps: [{ key: 'author', value: 'somebody' }],
    });
    // field 100 of a model, a string: no version of ONNX has it
    return Uint8Array.from([...known, 0xa2, 0x06, 3, 0x61, 0x62, 0x63]);
  };
  if (where === 'inside') return { bytes: model(initializer), external: {} };
  const parts: Uint8Array[] = [];
  let offset = 0;
  const outside = initializer.map(({ rawData, ...tensor }): Message<'Tensor'> => {
    const data = rawData!;
    const place = { location, offset: String(offset), length: String(data.length) };
    parts.push(data);
    offset += data.length;
    return {
      ...tensor,
      dataLocation: 1,
      externalData: Object.entries(place).map(([key, value]) => ({ key, value })),
    };
  });
  return {
    bytes: model(outside),
    external: { [location]: Uint8Array.from(parts.flatMap((p) => [...p])) },
  };
}

const halves = (numbers: Float32Array): Uint8Array =>
  new Uint8Array(Uint16Array.from(numbers, toHalf).buffer);
