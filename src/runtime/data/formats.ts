import { readdir } from 'node:fs/promises';
import { InputError } from '../errors.ts';
import { describeFsError } from '../files.ts';
import type { Dataset, Format } from './dataset.ts';
import { idx } from './idx.ts';
import { mnist } from './mnist.ts';

/** The formats of data sets, in the order in which they are tried. */
export const formats = { mnist, idx } as const satisfies Readonly<Record<string, Format>>;

/** What may be given as a data set, for messages and help. */
export const expectedData: string = Object.values(formats)
  .map(({ expects }) => expects)
  .join(' or ');

/**
 * Reads a data set of any format.
 *
 * @param source a name that a format knows, such as `mnist`, or a path.
 * @throws InputError if there is none, or it is damaged.
 */
export async function loadDataset(source: string): Promise<Dataset> {
  for (const format of Object.values(formats)) {
    const dataset = await format.open(source);
    if (dataset) return dataset;
  }
  await readdir(source).catch((error: unknown) => {
    const problem = describeFsError(error, `cannot read the data set ${source}`);
    throw new InputError(`${problem} (expected ${expectedData})`, { cause: error });
  });
  throw new InputError(`${source} holds no data set of a known format; expected ${expectedData}`);
}
