/**
 * Adds `toWithstand` to the matchers of Vitest.
 *
 * @module sparring/vitest
 */

import { expect } from 'vitest';
import {
  audit,
  InputError,
  openClassifier,
  openImages,
  type AuditOptions,
  type AuditResult,
} from './index.ts';
import type { Examples, ImageSource, OpenClassifier, OpenOptions } from './index.ts';

/** What a classifier must withstand. The rest is as `audit` takes it. */
export interface Withstanding extends Omit<AuditOptions, 'failUnder' | 'onProgress'> {
  /** The least robust accuracy, in 0..1. */
  readonly atLeast: number;
  /** What `openImages` reads (`mnist`, a folder), of which `count` are used, of each class its share, chosen by `seed`; or images with labels. */
  readonly images: string | ImageSource | Omit<Examples, 'targets'>;
  /** How many images are used of a data set that is named. Default: 100. */
  readonly count?: number;
  /** How a model that is given by its path or bytes is opened. */
  readonly open?: OpenOptions;
}

/** Matchers for Vitest: `import 'sparring/vitest'` adds them to `expect`. */
export const matchers = { toWithstand };

/** What a matcher says. */
export interface Matched {
  readonly pass: boolean;
  readonly message: () => string;
}

/**
 * Audits a classifier and passes when its robust accuracy is at least `atLeast` and in no doubt that is not accepted.
 *
 * @param model the path or the bytes of an ONNX file, or what `openClassifier` gives.
 * @throws InputError when an option or the images are wrong.
 * @example
 * await expect('model.onnx').toWithstand({ eps: 8 / 255, atLeast: 0.4, images: 'test-images/' });
 */
export async function toWithstand(
  model: string | Uint8Array | OpenClassifier,
  { atLeast, images, count = 100, open, ...options }: Withstanding,
): Promise<Matched> {
  if (!images) {
    throw new InputError(
      "toWithstand: images is missing; name a data set such as 'mnist' or a folder, or give images with labels",
    );
  }
  const isFile = typeof model === 'string' || model instanceof Uint8Array;
  const classifier = isFile ? await openClassifier(model, open) : model;
  try {
    const { image, classes, labels, pictures } = classifier;
    const source =
      typeof images === 'string'
        ? await openImages(images, {
            shape: image,
            classes: labels ?? classes,
            count,
            seed: options.seed ?? 1,
            pictures,
          })
        : images;
    const found = await audit(classifier, source, { ...options, failUnder: atLeast });
    return { pass: found.verdict === 'passed', message: () => messageOf(found) };
  } finally {
    if (isFile) await classifier.close();
  }
}

const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;

function messageOf({ demands, attacks, clean, checks }: AuditResult): string {
  const figures = Object.values(attacks).map(({ title, accuracy }) => `  ${title}: ${percent(accuracy)}`);
  return [
    ...demands.map(({ text }) => text.replace('--fail-under', 'atLeast').replace(' (--accept)', ' (accept)')),
    `  no attack: ${percent(clean.accuracy)}`,
    ...figures,
    ...checks.map(({ level, id, title }) => `  ${level}: ${title} [${id}]`),
  ].join('\n');
}

expect.extend(matchers);

declare module 'vitest' {
  // eslint-disable-next-line no-unused-vars
  interface Matchers<T> {
    /** Audits a classifier; see `toWithstand` of `sparring/vitest`. */
    toWithstand(options: Withstanding): Promise<void>;
  }
}
