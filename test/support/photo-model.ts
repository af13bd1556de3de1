import {
  constant,
  conv,
  globalAveragePool,
  input,
  lower,
  matmul,
  relu,
  reshape,
  softmax,
  tensorOf,
  type Value,
} from '../../src/builder/index.ts';
import { encode } from '../../src/onnx/index.ts';
import { stream } from '../../src/runtime/random.ts';

/** What {@link photoModel} takes. */
export const photoShape = { channels: 3, height: 224, width: 224 } as const;
export const photoValues = 3 * 224 * 224;
export const photoClasses = 7;

/** The file of a small network on colour images of 224x224, with drawn weights. It answers probabilities. */
export function photoModel(seed = 1): Uint8Array {
  const { uniform } = stream(seed, 'photo');
  const drawn = (shape: readonly number[], spread: number): Value =>
    constant(
      tensorOf(
        'float32',
        shape,
        Array.from({ length: shape.reduce((a, b) => a * b) }, () => spread * (2 * uniform() - 1)),
      ),
    );
  const window = (stride: number, pad: number) => ({
    strides: [stride, stride],
    pads: [pad, pad, pad, pad],
    dilations: [1, 1],
    group: 1,
  });
  const image = input('image', 'float32', ['batch', 3, 224, 224]);
  const first = relu(conv(image, drawn([8, 3, 7, 7], 0.2), drawn([8], 0.1), window(4, 3)));
  const second = relu(conv(first, drawn([16, 8, 3, 3], 0.3), drawn([16], 0.1), window(2, 1)));
  const logits = matmul(reshape(globalAveragePool(second), [-1, 16]), drawn([16, photoClasses], 4));
  return encode(
    lower({ name: 'photo', inputs: [image], outputs: { probabilities: softmax(logits) } }, 'plain'),
  );
}

/** The values of images whose colours change smoothly, each its own way; multiples of 1/255. */
export function photos(count: number): Float32Array {
  return Float32Array.from({ length: count * photoValues }, (_, at) => {
    const [i, channel] = [Math.floor(at / photoValues), Math.floor(at / (224 * 224)) % 3];
    const [y, x] = [Math.floor(at / 224) % 224, at % 224];
    const wave = Math.sin((x * (i + 1)) / 20 + channel) * Math.cos((y * (channel + 1)) / 30 + i);
    return Math.round(255 * (0.5 + 0.45 * wave)) / 255;
  });
}
