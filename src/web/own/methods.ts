import type { MethodOptions } from '../../api/method.ts';
import { attackOf, type AttackName } from '../../runtime/attacks/index.ts';

interface Row {
  readonly title: string;
  /** What it does, in a few words. */
  readonly about: string;
  readonly options: MethodOptions;
}

const [pgd, momentum, apgd, square] = [40, 10, 50, 1000];

/**
 * The attacks of the runtime as this view runs them, from the floor to the strongest: one that has no row here does not
 * compile. Those with the value null need minutes a picture in a browser, or a network that was trained before.
 */
const rows = {
  noise: { title: 'Random noise', about: 'no attack: what one must beat', options: { method: 'noise' } },
  fgsm: { title: 'FGSM', about: 'one step along the gradient', options: { method: 'fgsm' } },
  pgd: { title: `PGD-${pgd}`, about: `${pgd} projected steps`, options: { method: 'pgd', steps: pgd } },
  'mi-fgsm': {
    title: 'MI-FGSM',
    about: `${momentum} steps with momentum`,
    options: { method: 'mi-fgsm', steps: momentum },
  },
  apgd: {
    title: `APGD-${apgd}`,
    about: `up to ${apgd} steps that adapt`,
    options: { method: 'apgd', steps: apgd },
  },
  square: {
    title: 'Square',
    about: `up to ${square} questions, no gradient`,
    options: { method: 'square', queries: square },
  },
  'pgd-adam': null,
  transfer: null,
  universal: null,
  'apgd-t': null,
  fab: null,
  generator: null,
} as const satisfies { readonly [K in AttackName]: Row | null };

/** An attack that this view offers. */
export type OwnMethod = {
  [K in AttackName]: (typeof rows)[K] extends null ? never : K;
}[AttackName];

/** The attacks that this view offers, as it runs them. */
export const ownAttacks: { readonly [K in OwnMethod]: Row } = rows;

/** In the order of the list. */
export const ownMethods = (Object.keys(rows) as readonly AttackName[]).filter(
  (name): name is OwnMethod => rows[name] !== null,
);

/** Whether an attack needs gradients. */
export const asksGradient = (method: OwnMethod): boolean => attackOf(method).access === 'gradient';
