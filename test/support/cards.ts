import type { ClassifierCard } from '../../src/runtime/classifier-card.ts';

/** What the paper's classifiers read. */
export const digitCard: ClassifierCard = {
  image: { channels: 1, height: 28, width: 28 },
  classes: 10,
  labels: null,
};

/** Images in colour, none of whose sizes are alike, and seven named classes. */
export const colourCard: ClassifierCard = {
  image: { channels: 3, height: 4, width: 5 },
  classes: 7,
  labels: ['ant', 'bee', 'cat', 'dog', 'eel', 'fox', 'gnu'],
};
