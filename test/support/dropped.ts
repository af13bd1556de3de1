import { PNG } from 'pngjs';
import * as b from '../../src/builder/index.ts';
import { stream } from '../../src/runtime/random.ts';
import { around, elsewhere, splitWeights } from './elsewhere.ts';
import { digits, nearestMean } from './examples.ts';
import { smallClassifier } from './oracles.ts';

/** A file as playwright hands it to a page. */
export interface Dropped {
  readonly name: string;
  readonly mimeType: string;
  readonly buffer: Buffer;
}

const file = (name: string, bytes: Uint8Array, mimeType = 'application/octet-stream'): Dropped => ({
  name,
  mimeType,
  buffer: Buffer.from(bytes),
});

/** A photo of nothing: smooth waves in colour. */
function photo(side: number): Dropped {
  const png = new PNG({ width: side, height: side });
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const level = (k: number): number => 128 + 100 * Math.sin((k * x + y) / (4 + 3 * k));
      png.data.set([level(1), level(2), level(3), 255], 4 * (y * side + x));
    }
  }
  return file('waves.png', PNG.sync.write(png), 'image/png');
}

/** A digit as a picture, white on black. */
function digitPicture(values: Float32Array): Dropped {
  const png = new PNG({ width: 28, height: 28 });
  values.forEach((value, i) => png.data.set([255 * value, 255 * value, 255 * value, 255], 4 * i));
  return file('digit.png', PNG.sync.write(png), 'image/png');
}

/** Five classifiers as other tools write them, each with a picture. */
export async function droppedModels() {
  const { known, test } = await digits(1);
  const digit = digitPicture(test.images.subarray(0, 28 * 28));
  const means = nearestMean(known, { scale: 0.3 });
  const grey = b.input('x', 'float32', ['batch', 1, 28, 28]);
  const [split, data] = splitWeights(means, 'weights/means.onnx.data');
  const tiles = smallClassifier(stream(3, 'tiles'), { channels: 3, height: 32, width: 32 }, 5);
  const photos = smallClassifier(stream(4, 'photos'), { channels: 3, height: 224, width: 224 }, 4);
  const onnx = (name: string, bytes: Uint8Array): Dropped => file(`${name}.onnx`, bytes);
  return {
    nhwc: [
      onnx(
        'channels-last',
        elsewhere(
          around(tiles, b.input('pixels', 'float32', ['n', 32, 32, 3]), (x) => b.transpose(x, [0, 3, 1, 2])),
        ),
      ),
      photo(48),
    ],
    external: [onnx('means', split), file('means.onnx.data', data), digit],
    large: [
      onnx(
        'photos',
        elsewhere(photos, {
          metadataProps: [{ key: 'names', value: '["ant","bee","cat","dog"]' }],
        }),
      ),
      photo(300),
    ],
    softmax: [
      onnx(
        'probabilities',
        elsewhere(around(means, grey, undefined, (logits) => ({ probabilities: b.softmax(logits) }))),
      ),
      digit,
    ],
    stepped: [
      onnx('stepped', elsewhere(around(means, grey, (x) => b.div(b.add(b.sign(b.sub(x, 0.5)), 1), 2)))),
      digit,
    ],
  } as const;
}
