import { z } from 'zod';

const Count = z.int().nonnegative();

/** How often each class was the answer to images of each class: `confusion[true class][answer]`, square. */
export type Confusion = readonly (readonly number[])[];
export const Confusion = z
  .array(z.array(Count))
  .refine((rows) => rows.every((row) => row.length === rows.length), 'must have as many columns as rows');

/** The answers of one classifier to the test images as they are, and to the same images after the attack. */
export interface BeforeAfter {
  readonly clean: Confusion;
  readonly attacked: Confusion;
}
export const BeforeAfter = z.object({ clean: Confusion, attacked: Confusion });

/** Counts answers. One for each classifier and kind of image. */
export class ConfusionCounter {
  #counts: number[][] = [];

  /** @param answer -1 where the classifier gave no number at all; it is not counted. */
  add(label: number, answer: number, classes: number): void {
    if (this.#counts.length === 0) {
      this.#counts = Array.from({ length: classes }, () => Array.from({ length: classes }, () => 0));
    }
    if (answer >= 0) this.#counts[label]![answer]!++;
  }

  get counts(): Confusion {
    return this.#counts;
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** How many images of each class there are. */
export const imagesByClass = (confusion: Confusion): readonly number[] => confusion.map(sum);

/** Accuracy on the images of each class, 0 to 1; null for a class without images. */
export const accuracyByClass = (confusion: Confusion): readonly (number | null)[] =>
  confusion.map((row, label) => {
    const images = sum(row);
    return images === 0 ? null : row[label]! / images;
  });

/** How often each class is the answer, whatever the image shows. */
const answersByClass = (confusion: Confusion): readonly number[] =>
  confusion.map((_, answer) => sum(confusion.map((row) => row[answer]!)));

/** One class that takes most of the answers to attacked images. Fractions are in [0, 1]. */
export interface Collapse {
  readonly answer: number;
  /** The part of the attacked images that get this answer. */
  readonly share: number;
  /** The part of the images of all other classes that the classifier still has right; null where there are none. */
  readonly others: number | null;
}

/**
 * Says whether an attack works by one trick: at least half of the attacked images get the same answer, and at least a
 * quarter more than belong to that class. The accuracy under attack is then little more than the share of that class in
 * the test set.
 *
 * @returns null where no class takes most of the answers.
 */
export function collapseOf(attacked: Confusion): Collapse | null {
  const images = sum(imagesByClass(attacked));
  if (images === 0) return null;
  const answers = answersByClass(attacked);
  const answer = answers.indexOf(Math.max(...answers));
  const share = answers[answer]! / images;
  const own = sum(attacked[answer]!);
  if (share < 0.5 || share - own / images < 0.25) return null;
  const right = sum(attacked.map((row, label) => (label === answer ? 0 : row[label]!)));
  return { answer, share, others: own === images ? null : right / (images - own) };
}

const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;

/**
 * A collapse as a sentence without a full stop: `97.0 % of the attacked images are read as 8; without the 8s, the
 * classifier is right on 2.8 %`.
 */
export function describeCollapse({ answer, share, others }: Collapse, classifier: string): string {
  const most = `${percent(share)} of the attacked images are read as ${answer}`;
  return others === null
    ? `${most} by ${classifier}`
    : `${most}; without the ${answer}s, ${classifier} is right on ${percent(others)}`;
}
