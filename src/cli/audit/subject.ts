import { basename } from 'node:path';
import type { OpenClassifier } from '../../api/classifier.ts';
import { hashOf } from '../../api/identity.ts';
import { imageOptions, type Loaded } from '../../api/load.ts';
import type { Audit } from '../../runtime/audit/document.ts';
import { labelledBy } from '../../runtime/data/answers.ts';
import { openImages } from '../../runtime/data/formats.ts';
import { numbered, type ImageSource } from '../../runtime/data/source.ts';

/** The classifier, as the document has it. */
export function classifierAbout(path: string, loaded: Loaded, opened: OpenClassifier): Audit['classifier'] {
  const { labels, origin, noGradient, selfCheck } = opened;
  return {
    name: basename(path),
    sha256: hashOf(loaded),
    bytes: loaded.files.bytes.length,
    image: { ...opened.image },
    classes: opened.classes,
    labels: labels ? [...labels] : null,
    facts: [
      ...origin.facts.map(({ about, text }) => ({ about, text })),
      ...origin.notes.map((text) => ({ about: 'graph', text })),
    ],
    gradient: { available: noGradient === null, why: noGradient },
    selfCheck: selfCheck && { ...selfCheck },
  };
}

/** What a person says of the images. */
export interface DataFlags {
  readonly data: string;
  readonly images: number;
  /** Chooses the images. */
  readonly seed: number;
  readonly dataLabels?: string;
  readonly skipBad?: true;
}

/**
 * Opens the images for a classifier: so many, of each class its share.
 *
 * @throws InputError when they are none for it.
 */
export const openSubjects = (
  loaded: Loaded,
  { data, images, seed, dataLabels, skipBad }: DataFlags,
): Promise<ImageSource> =>
  openImages(data, {
    ...imageOptions(loaded),
    count: images,
    seed,
    ...(dataLabels !== undefined && { labels: dataLabels }),
    ...(skipBad && { onBad: 'skip' as const }),
  });

/** Says how pictures were made into images, where the files beside the classifier or the options say it. */
export function sayPictures({ name, classifier }: Loaded, { names }: ImageSource): void {
  const fact = classifier.origin.facts.find(({ about }) => about === 'pictures');
  if (fact && names) process.stderr.write(`${name}: ${fact.text}\n`);
}

/** The images with labels: where the data has none, the classifier's own answers. */
export const withLabels = (source: ImageSource, opened: OpenClassifier): Promise<ImageSource> =>
  source.labels === 'unknown'
    ? labelledBy(source, opened, opened.labels ?? numbered(opened.classes))
    : Promise.resolve(source);

/** The data, as the document has it. */
export const dataAbout = (data: string, source: ImageSource): Audit['data'] => ({
  source: data,
  name: source.name,
  sha256: source.sha256,
  classes: [...source.classes],
  count: source.total ?? source.count,
  chosen: 'spread',
  labels: source.labels === 'answers' ? 'answers' : 'true',
  skipped: (source.skipped ?? []).map(({ name, reason }) => ({ name, reason })),
});
