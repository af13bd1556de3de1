import { doubt, type AuditCheck, type Evidence } from './check.ts';

/** Attacks by gradient that choose their own steps or their own direction. FGSM and plain PGD are misled too easily. */
const strong = ['apgd', 'apgd-t', 'fab', 'pgd-adam'];

/** Whether one of these attacks ran. One that ran again has a number: `apgd-2`. */
const ran = ({ attacks }: Evidence, some: readonly string[]): boolean =>
  Object.keys(attacks).some((name) => some.includes(name.replace(/-\d+$/, '')));

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
      ...(!seen.gradient.available || ran(seen, strong) ? [] : [`none of ${strong.join(', ')}`]),
      ...(ran(seen, ['square']) ? [] : ['no square']),
    ];
    return missing.length === 0 ? null : doubt(`only weak attacks were run: ${missing.join(' and ')}`);
  },
};
