import { readPicture } from '../picture/file.ts';
import { greyOf } from '../picture/grey.ts';
import { fitDigit } from './fit.ts';

/** Larger pictures are made smaller first: a digit needs no more. */
const most = 560;

/** The digit of a picture file, as MNIST would have it. Throws as {@link readPicture}. */
export const readDigit = async (file: Blob): Promise<Float32Array> =>
  fitDigit(greyOf(await readPicture(file, most)));
