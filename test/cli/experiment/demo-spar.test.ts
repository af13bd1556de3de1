import { inflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { packDigits } from '../../../src/cli/experiment/demo-spar.ts';
import { storedSource, type StoredSource } from '../../../src/runtime/data/source.ts';
import { decodeSafetensors } from '../../../src/runtime/safetensors.ts';

const size = 28 * 28;

/** Digits whose pixels are all their own number. */
const source = (labels: readonly number[]): StoredSource =>
  storedSource(
    {
      name: 'some',
      shape: { channels: 1, height: 28, width: 28 },
      classes: Array.from({ length: 10 }, (_, one) => String(one)),
      sha256: '',
    },
    {
      images: Uint8Array.from({ length: labels.length * size }, (_, i) => Math.floor(i / size)),
      labels: Int32Array.from(labels),
    },
  );

const classByClass = Array.from({ length: 30 }, (_, i) => Math.floor(i / 3));

test('digits for the page stand in turns, as many of each class, with their own pixels', () => {
  const train = source([...classByClass, 5, 5, 5]);
  const packed = packDigits({ train, test: source(classByClass) })!;
  const { tensors } = decodeSafetensors(inflateSync(packed), 'digits.bin');
  const [labels, images] = ['train/label', 'train/image'].map((name) => tensors.get(name)!.data);
  expect([...(labels as Uint8Array)]).toEqual(Array.from({ length: 30 }, (_, i) => i % 10));
  const first = Array.from({ length: 30 }, (_, i) => images![i * size]);
  expect(first).toEqual(Array.from({ length: 30 }, (_, i) => 3 * (i % 10) + Math.floor(i / 10)));
  expect(tensors.get('test/image')!.shape).toEqual([30, 1, 28, 28]);
});

test('there are none where a class has no images', () => {
  const nine = classByClass.map((label) => Math.min(8, label));
  expect(packDigits({ train: source(classByClass), test: source(nine) })).toBeNull();
});
