import {
  chanceOf,
  doubt,
  gradientAttacks,
  note,
  percent,
  slack,
  type AuditCheck,
  type Evidence,
} from './check.ts';

/** Attacks by gradient that were given all images, so that they can be compared. */
const comparable = (seen: Evidence): readonly string[] =>
  gradientAttacks(seen).filter((name) => seen.attacks[name]!.given === 'all');

export const attackAboveNoise: AuditCheck = {
  id: 'attack-above-noise',
  why: 'An attack that does less than random noise does not follow the classifier: its gradient says nothing.',
  whatToDo: 'Look for operators without a useful gradient (rounding, thresholds, quantisation).',
  applies: (seen) => seen.attacks['noise'] !== undefined && comparable(seen).length > 0,
  look: (seen) => {
    const noise = seen.attacks['noise']!;
    const weak = comparable(seen).find((name) => seen.attacks[name]!.accuracy > noise.accuracy + slack);
    if (!weak) return null;
    const { title, accuracy } = seen.attacks[weak]!;
    return doubt(`${title} leaves ${percent(accuracy)}, noise less: ${percent(noise.accuracy)}`);
  },
};

export const fgsmBelowPgd: AuditCheck = {
  id: 'fgsm-below-pgd',
  why: 'Many steps find at least what one step finds, unless the gradient misleads after the first.',
  whatToDo: 'Look for what bends the gradient, and rely on Square (--preset thorough).',
  applies: (seen) => ['fgsm', 'pgd'].every((name) => comparable(seen).includes(name)),
  look: ({ attacks: { fgsm, pgd } }) =>
    pgd!.accuracy > fgsm!.accuracy + slack
      ? doubt(`FGSM leaves ${percent(fgsm!.accuracy)}, PGD more: ${percent(pgd!.accuracy)}`)
      : null,
};

export const stepsNotEnough: AuditCheck = {
  id: 'steps-not-enough',
  why: 'Attacks that find more with more steps have not converged: the robust accuracy is lower than what they leave.',
  whatToDo: 'Use a stronger preset (--preset standard or thorough).',
  applies: ({ attacks }) => doubledOf(attacks) !== undefined,
  look: ({ attacks }) => {
    const { title, broken, attacked } = doubledOf(attacks)!;
    return broken >= 0.01 * attacked && broken > 0
      ? note(`twice the steps (${title}) broke ${broken} of ${attacked} images that were left`)
      : null;
  },
};

export const aboveChance: AuditCheck = {
  id: 'above-chance-at-large-eps',
  why:
    'With that much room every image can become any other, so nothing but guessing is left of an honest classifier. More ' +
    'than that means that the attacks fail, not that the classifier is robust.',
  whatToDo:
    'Do not rely on the robust accuracy. Look for what hides the gradient, and try --preset thorough.',
  applies: ({ curve, largeEps }) => (curve?.points.at(-1)?.eps ?? 0) >= largeEps,
  look: (seen) => {
    const last = seen.curve!.points.at(-1)!;
    if (last.interval.low <= chanceOf(seen)) return null;
    return doubt(
      `${percent(last.accuracy)} of the images are still right at eps ${Number(last.eps.toPrecision(4))}`,
    );
  },
};

/** What twice the steps of an attack did. */
const doubledOf = (attacks: Evidence['attacks']) =>
  Object.entries(attacks).find(([name]) => name.endsWith('-doubled'))?.[1];
