import { storedSource, type StoredSource } from '../../../runtime/data/source.ts';
import { decodeSafetensors } from '../../../runtime/safetensors.ts';
import { digitShape } from '../../digits/shape.ts';

/** The name of the file beside the page. */
export const digitsFile = 'digits.bin';

/** Digits to learn from, and digits to measure with: the first ten are one of each class. */
export interface SparDigits {
  readonly train: StoredSource;
  readonly test: StoredSource;
}

/**
 * Fetches the digits that come with the page.
 *
 * @throws Error in one line when they are not there.
 */
export async function fetchDigits(base: string): Promise<SparDigits> {
  const response = await fetch(new URL(digitsFile, base)).catch(() => null);
  if (!response?.ok || !response.body) {
    throw new Error(
      `There is no ${digitsFile} beside this page, so there are no digits to learn from: make the page again where the data of its run is`,
    );
  }
  const unpacked = response.body.pipeThrough(new DecompressionStream('deflate'));
  const bytes = new Uint8Array(await new Response(unpacked).arrayBuffer());
  const { tensors } = decodeSafetensors(bytes, digitsFile);
  const part = (name: string): StoredSource => {
    const labels = tensors.get(`${name}/label`)!.data as Uint8Array;
    return storedSource(
      {
        name,
        shape: digitShape,
        classes: Array.from({ length: 10 }, (_, one) => String(one)),
        sha256: '',
      },
      { images: tensors.get(`${name}/image`)!.data as Uint8Array, labels: Int32Array.from(labels) },
    );
  };
  return { train: part('train'), test: part('test') };
}
