import {
  attackOf,
  isTrained,
  type AttackName,
  type Configured,
  type SettingsOf,
} from '../runtime/attacks/index.ts';
import type { ManifestCell } from '../runtime/experiment/manifest.ts';

/** An attack as the page runs and names it. */
export interface ShownAttack<K extends AttackName = AttackName> {
  /** Its name in links and in saved results. */
  readonly id: string;
  readonly title: string;
  /** What it does, in a few words. */
  readonly about: string;
  readonly settings: SettingsOf<K>;
  /**
   * How it changed the picture, in a sentence or two.
   *
   * @param most `each pixel by at most 16 %.`
   */
  readonly means: (most: string, mode: ManifestCell['mode']) => string;
}

const [miFgsm, pgd, apgd, square] = [
  { steps: 10, stepSize: null, decay: 1 },
  { steps: 40, stepSize: 2.5 / 40, restarts: 1 },
  { loss: 'ce', steps: 50, restarts: 1 },
  { queries: 1000, part: 0.8, shrinkOver: null, restarts: 1 },
] as const;

/**
 * The attacks of the runtime as the page runs them, in the order of its table: one that has no row here does not compile.
 * Those with the value null need minutes a picture in a browser, or something that was trained before.
 */
const rows = {
  generator: {
    id: 'attacker',
    title: 'Attacker',
    about: 'a trained network, one pass',
    settings: {},
    means: (most, mode) =>
      mode === 'alternating'
        ? `Another network changed ${most} The two learned by playing against each other.`
        : `Another network changed ${most} It learned how by attacking this one.`,
  },
  fgsm: {
    id: 'fgsm',
    title: 'FGSM',
    about: 'one step along the gradient’s sign',
    settings: {},
    means: (most) => `One step along this network’s own gradient changed ${most}`,
  },
  'mi-fgsm': {
    id: 'mi-fgsm',
    title: 'MI-FGSM',
    about: `${miFgsm.steps} steps along a running sum of gradients`,
    settings: miFgsm,
    means: (most) =>
      `${miFgsm.steps} steps along a running sum of this network’s own gradients changed ${most}`,
  },
  pgd: {
    id: 'pgd',
    title: `PGD-${pgd.steps}`,
    about: `${pgd.steps} projected steps, random start`,
    settings: pgd,
    means: (most) => `${pgd.steps} steps along this network’s own gradient changed ${most}`,
  },
  apgd: {
    id: 'apgd',
    title: `APGD-${apgd.steps}`,
    about: `up to ${apgd.steps} steps that adapt`,
    settings: apgd,
    means: (most) =>
      `Up to ${apgd.steps} steps along this network’s own gradient, of a size that adapts, changed ${most}`,
  },
  square: {
    id: 'square',
    title: 'Square',
    about: `up to ${square.queries.toLocaleString('en')} questions, no gradient`,
    settings: square,
    means: (most) =>
      `A random search that asked this network up to ${square.queries.toLocaleString('en')} times, and never saw inside it, changed ${most}`,
  },
  noise: {
    id: 'noise',
    title: 'Random noise',
    about: 'no attack: the least that one must beat',
    settings: {},
    means: (most) => `Random noise changed ${most} It knows nothing of the network.`,
  },
  'pgd-adam': null,
  'apgd-t': null,
  fab: null,
  transfer: null,
  universal: null,
} as const satisfies { readonly [K in AttackName]: ShownAttack<K> | null };

/** An attack that the page offers. */
export type Method = {
  [K in AttackName]: (typeof rows)[K] extends null ? never : K;
}[AttackName];

/** The attacks that the page offers. */
export const shownAttacks: { readonly [K in Method]: ShownAttack<K> } = rows;

/** In the order of the table. */
export const methods = (Object.keys(rows) as readonly AttackName[]).filter(
  (name): name is Method => rows[name] !== null,
);

/**
 * The attacks that can be run here.
 *
 * @param gradient whether there are gradients of the target.
 * @param aimed whether the image is to be taken for a class that is chosen: a trained attacker knows no such goal.
 */
export const possible = ({
  gradient,
  aimed,
}: {
  readonly gradient: boolean;
  readonly aimed: boolean;
}): readonly Method[] =>
  methods.filter((method) => (gradient || !needsGradients(method)) && !(aimed && isTrained(method)));

/** The attack that a link or a saved result names. */
export const methodOf = (id: string | null): Method | undefined =>
  methods.find((method) => shownAttacks[method].id === id);

/** The number that all random numbers of the page come from. */
export const seed = 1;

/** Whether a method needs gradients of its target. */
export const needsGradients = (method: Method): boolean => attackOf(method).access === 'gradient';

/** An attack with the settings of the page. */
export const configured = (method: Method): Configured<Method> =>
  ({ attack: method, settings: shownAttacks[method].settings }) as Configured<Method>;
