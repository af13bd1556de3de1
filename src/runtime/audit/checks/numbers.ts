import { most as mostApart } from '../probe.ts';
import { wilson } from '../wilson.ts';
import { chanceOf, doubt, note, percent, type AuditCheck } from './check.ts';

/** From here on a classifier does not guess, however often one class comes. */
const high = 0.9;

export const nearChance: AuditCheck = {
  id: 'near-chance',
  why: 'A classifier that guesses cannot be robust or not. Most often its pixels are prepared in another way than it was trained with.',
  whatToDo:
    'Check how the pixels are prepared (--scale, --mean, --std, --channels, --layout) and the order of the classes (--labels).',
  applies: ({ labels }) => labels === 'true',
  look: (seen) => {
    if (seen.clean.accuracy >= high || seen.clean.interval.low > chanceOf(seen)) return null;
    return doubt(
      `only ${percent(seen.clean.accuracy)} of the images are right without an attack, no more than by guessing`,
    );
  },
};

/** Another preparation is the right one when it gains as much as this, and more than the choice of images explains. */
const gain = 0.05;

export const preparation: AuditCheck = {
  id: 'preparation',
  why:
    'The classifier may have been trained with pixels that are prepared in that way, or it is a weak one. Prepared as they ' +
    'are, it is another classifier that is attacked.',
  whatToDo: 'Check how the pixels are prepared (--scale, --mean, --std, --channels, --layout).',
  // the best of several draws of answers that change by themselves is better by itself
  applies: ({ preparations, probe: { again } }) => preparations !== null && again.apart <= mostApart,
  look: ({ preparations }) => {
    const { images, accuracy, others } = preparations!;
    const best = others.toSorted((a, b) => b.accuracy - a.accuracy)[0];
    const { high: most } = wilson(Math.round(accuracy * images), images);
    if (!best || best.accuracy < accuracy + gain || best.accuracy <= most) return null;
    return {
      ...doubt(
        `${percent(best.accuracy)} of ${images} images are right with ${best.option}, and ${percent(accuracy)} as they are prepared`,
      ),
      whatToDo: `Try ${best.option}.`,
    };
  },
};

export const ownAnswers: AuditCheck = {
  id: 'own-answers',
  why: 'The images have no labels. What is measured is how often an attack changes the answer, right or wrong.',
  whatToDo: 'Give labels to measure accuracy: a folder for each class.',
  look: ({ labels }) =>
    labels === 'answers'
      ? note("accuracy is agreement with the classifier's own answers to the clean images")
      : null,
};

/** The interval of fewer images is 27 points wide and more, in the middle. */
const leastForDemands = 50;

export const fewImages: AuditCheck = {
  id: 'few-images',
  why: 'The interval of the accuracy is wide, so that a change of the classifier hardly shows.',
  whatToDo: 'Use more images (--images).',
  look: ({ images, demanded }) => {
    if (images >= 100) return null;
    const text = `only ${images} images were used`;
    return demanded && images < leastForDemands ? doubt(text) : note(text);
  },
};

export const lostByRounding: AuditCheck = {
  id: 'lost-by-rounding',
  why: 'An attacker who must hand in a picture of 8 bits a channel cannot use such a change. The audit counts it as a success.',
  whatToDo: 'Nothing if pixels can have any value. Else audit with an eps of some steps of 1/255.',
  applies: ({ rounded }) => rounded !== null && rounded.tried >= 10,
  look: ({ rounded }) =>
    rounded!.kept < 0.9 * rounded!.tried
      ? note(
          `${rounded!.tried - rounded!.kept} of ${rounded!.tried} attacked images are right again when saved with 8 bits`,
        )
      : null,
};
