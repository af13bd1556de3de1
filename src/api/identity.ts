import { createHash } from 'node:crypto';
import type { Loaded } from './load.ts';

/** What the files of a classifier hold, as one hash: that of its file alone where its weights lie in it. */
export function hashOf({ files: { bytes, external } }: Pick<Loaded, 'files'>): string {
  const sha256 = createHash('sha256').update(bytes);
  for (const name of Object.keys(external).toSorted()) sha256.update(external[name]!);
  return sha256.digest('hex');
}

/** All of a classifier that decides its answers, as plain data: what its files hold, and how they and pictures are read. */
export const identityOf = (loaded: Loaded) => {
  const { image, labels, ports, pictures } = loaded.classifier;
  return { sha256: hashOf(loaded), image, labels, ports, ...(pictures && { pictures }) };
};
