import { doubt, note, type AuditCheck, type Evidence } from './check.ts';

/** Attacks by gradient that choose their own steps or their own direction. FGSM and plain PGD are misled too easily. */
const strong = ['apgd', 'apgd-t', 'fab', 'pgd-adam'];

/** What an attack must be given to count: as much as `quick` gives it. */
const least = { steps: 20, queries: 200 } as const;

/** Whether one of these attacks ran, for as long as it takes. One that ran again has a number: `apgd-2`. */
const ran = ({ attacks }: Evidence, some: readonly string[], by: keyof typeof least): boolean =>
  Object.entries(attacks).some(
    ([name, { settings }]) => some.includes(name.replace(/-\d+$/, '')) && Number(settings[by]) >= least[by],
  );

export const weakAttacks: AuditCheck = {
  id: 'weak-attacks',
  why:
    'What weak attacks leave says little: a stronger one may break all of it. It takes one that follows the gradient and ' +
    'adapts to it, and one that does not need it.',
  whatToDo: 'Use a preset (--preset quick), or add the attacks that are missing (--attacks).',
  look: (seen) => {
    // nothing is left that a stronger attack could break
    if (seen.worst.accuracy === 0) return null;
    const missing = [
      ...(!seen.gradient.available || ran(seen, strong, 'steps')
        ? []
        : [`none of ${strong.join(', ')} with ${least.steps} steps or more`]),
      ...(ran(seen, ['square'], 'queries') ? [] : [`no square with ${least.queries} queries or more`]),
    ];
    return missing.length === 0 ? null : doubt(`only weak attacks were run: ${missing.join(' and ')}`);
  },
};

export const attackerEps: AuditCheck = {
  id: 'attacker-eps',
  why: 'A perturbation that was trained for one eps and is scaled to another may break less than one trained for that.',
  whatToDo:
    'Train an attacker for this eps (sparring train-attacker --eps), or audit at one that it was trained for.',
  applies: ({ trainedFor }) => Object.keys(trainedFor).length > 0,
  look: ({ attacks, threat: { eps }, trainedFor }) => {
    const scaled = Object.entries(trainedFor).flatMap(([name, known]) => {
      const [low, high] = typeof known === 'number' ? [known, known] : known;
      if (!attacks[name] || (eps >= low && eps <= high)) return [];
      const range = low === high ? `${short(high)}` : `${short(low)}..${short(high)}`;
      return [`${name} was trained for eps ${range}`];
    });
    return scaled.length === 0 ? null : note(`${scaled.join(', ')} and is scaled to ${short(eps)}`);
  },
};

const short = (eps: number): number => Number(eps.toPrecision(4));
