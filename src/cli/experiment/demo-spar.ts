import { deflateSync } from 'node:zlib';
import { valuesOf, type StoredSource } from '../../runtime/data/source.ts';
import { encodeSafetensors, type Digits } from '../../runtime/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';

/** Digits of each class that networks in the page learn from, and that they are measured with. */
const perClass = { train: 400, test: 40 } as const;

/**
 * The digits that networks in the page learn from: a safetensors file, deflated, of `train/image` and `test/image`, uint8
 * [n,1,28,28], and `train/label` and `test/label`, uint8 [n]. As many of each class as there are, up to a limit, in turns: the first
 * ten are one of each class.
 *
 * @returns null where a class has no images.
 */
export function packDigits({ train, test }: Pick<Digits, 'train' | 'test'>): Uint8Array | null {
  if (!train.classes.every((_, label) => has(train, label) && has(test, label))) return null;
  const tensors = new Map([...part('train', train, perClass.train), ...part('test', test, perClass.test)]);
  return deflateSync(encodeSafetensors(tensors, {}), { level: 9 });
}

const has = ({ stored }: StoredSource, label: number): boolean => stored.labels.includes(label);

function part(name: string, source: StoredSource, most: number): readonly (readonly [string, Tensor])[] {
  const { images, labels } = source.stored;
  const places = source.classes.map((_, label) => [...labels.keys()].filter((i) => labels[i] === label));
  const each = Math.min(most, ...places.map(({ length }) => length));
  const chosen = Array.from({ length: each }, (_, i) => places.map((own) => own[i]!)).flat();
  const size = valuesOf(source.shape);
  const { channels, height, width } = source.shape;
  const pixels = new Uint8Array(chosen.length * size);
  chosen.forEach((at, i) => pixels.set(images.subarray(at * size, (at + 1) * size), i * size));
  return [
    [`${name}/image`, { dtype: 'uint8', shape: [chosen.length, channels, height, width], data: pixels }],
    [
      `${name}/label`,
      { dtype: 'uint8', shape: [chosen.length], data: Uint8Array.from(chosen, (at) => labels[at]!) },
    ],
  ];
}
