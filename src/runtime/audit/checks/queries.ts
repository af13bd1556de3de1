import { most } from '../probe.ts';
import { doubt, gradientAttacks, note, percent, type AuditCheck } from './check.ts';

export const noGradient: AuditCheck = {
  id: 'no-gradient',
  why:
    'The strongest attacks follow the gradient. Attacks by queries, and those that follow a surrogate, leave more accuracy ' +
    'than those would, so the robust accuracy may be far too high.',
  whatToDo:
    'Audit the float model that this one was made of, without quantisation, rounding or random numbers; or accept the doubt ' +
    '(--accept no-gradient).',
  look: ({ gradient: { available, why } }) =>
    available ? null : doubt(`only attacks by queries were possible: ${why!.split(', so ')[0]}`),
};

export const randomAnswers: AuditCheck = {
  id: 'random-answers',
  why:
    'A classifier whose answers change by themselves hides its gradient behind chance, and an attack that fails once may ' +
    'succeed when it is tried again. A second audit gives other numbers.',
  whatToDo: 'Take the random operators out (dropout, noise), or average over many answers, and audit that.',
  look: ({ probe: { again } }) =>
    again.apart > most
      ? doubt(
          `the same images got other logits when asked again (${again.changed} of ${again.images} got another class)`,
        )
      : null,
};

export const batchDependent: AuditCheck = {
  id: 'batch-dependent',
  why: 'Attacks are run on batches. What they find there need not hold for an image by itself, and the other way round.',
  whatToDo: 'Export the model in evaluation mode: batch normalisation must use its running statistics.',
  // answers that change by themselves differ alone, too
  applies: ({ probe: { again } }) => again.images > 1 && again.apart <= most,
  look: ({ probe: { alone } }) =>
    alone.apart > most
      ? doubt(
          `the logits of an image depend on the others in its batch (${percent(alone.apart)} of the largest apart)`,
        )
      : null,
};

/** Square breaking more than this part of the images that gradients left is no longer luck. */
const large = 0.05;

export const squareBetter: AuditCheck = {
  id: 'square-better',
  why:
    'Random search knows less than the gradient. Where it finds more, the gradient is masked, and stronger attacks than ' +
    'those that were run will probably find more still.',
  whatToDo: 'Run more restarts and queries (--preset thorough), and look for what flattens the gradient.',
  applies: (seen) => seen.attacks['square']?.given === 'left' && gradientAttacks(seen).length > 0,
  look: (seen) => {
    const square = seen.attacks['square']!;
    if (square.broken === 0) return null;
    const text = `Square broke ${square.broken} of the ${square.attacked} images that attacks by gradient left`;
    return square.broken > large * seen.images ? doubt(text) : note(text);
  },
};

export const fewClasses: AuditCheck = {
  id: 'few-classes',
  why: 'The difference of logits ratio (DLR) needs four classes or more. The plain margin takes its place, which is less exact.',
  whatToDo: 'Nothing: this is how a classifier of few classes is audited.',
  look: ({ classes, attacks }) =>
    classes < 4 && Object.values(attacks).some(({ settings }) => settings['loss'] === 'dlr')
      ? note(`${classes} classes are too few for the DLR loss; the margin is climbed instead`)
      : null,
};
