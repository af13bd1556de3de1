import type { CellModels, Manifest, ManifestCell, ModelFile } from '../runtime/experiment/manifest.ts';
import { possible, type Method } from './attacks.ts';
import type { Choice } from './choice.ts';
import type { ClassifierName } from './engine/protocol.ts';
import { classifierName, number } from './format.ts';

/** Attackers of one kind, at one or several eps, the smallest first. */
export interface Series {
  readonly id: string;
  /** `consecutive, clipped, tanh, seed 1` */
  readonly title: string;
  readonly cells: readonly ManifestCell[];
}

/** The attackers of a run by kind. */
export function seriesOf({ cells }: Manifest): readonly Series[] {
  const found = new Map<string, ManifestCell[]>();
  for (const cell of cells) {
    const title = `${cell.mode}, ${cell.clip ? 'clipped' : 'unclipped'}, ${cell.bound}, seed ${cell.seed}`;
    found.set(title, [...(found.get(title) ?? []), cell]);
  }
  return [...found].map(([title, own]) => ({
    id: title.replaceAll(', ', '-').replaceAll(' ', ''),
    title,
    cells: own.toSorted((a, b) => a.eps - b.eps),
  }));
}

/** Who takes part at a choice of series and eps. */
export interface LineUp {
  /** The attacker's cell: the one trained for the eps nearest by ratio. */
  readonly cell: ManifestCell;
  /** What its perturbation is multiplied by: 1 at the eps that it was trained for. */
  readonly scale: number;
  readonly attacker: ModelFile;
  readonly target: ClassifierName;
  readonly classifiers: Readonly<Partial<Record<ClassifierName, ModelFile>>>;
  readonly gradient: ModelFile | null;
}

/** Settles which models a choice takes. */
export function lineUp(
  manifest: Manifest,
  { series, eps, weights }: Pick<Choice, 'series' | 'eps' | 'weights'>,
): LineUp {
  const all = seriesOf(manifest);
  const own = all.find(({ id }) => id === series) ?? all[0]!;
  const cell = nearest(own.cells, eps);
  const sibling = (mode: ManifestCell['mode']): ManifestCell | undefined => {
    const alike = manifest.cells.filter((c) => c.mode === mode && c.seed === cell.seed);
    return alike.length > 0 ? nearest(alike, cell.eps) : undefined;
  };
  const alternating = cell.mode === 'alternating' ? cell : sibling('alternating');
  const plain = cell.mode === 'alternating' ? sibling('consecutive') : cell;
  const { models } = cell;
  const bystander = plain ?? cell;
  return {
    cell,
    scale: eps / cell.eps,
    attacker: weights === 'compact' ? (models.attackerCompact ?? models.attacker) : models.attacker,
    target: cell === alternating ? 'alternating' : 'c1',
    classifiers: {
      ...(plain && { c1: one(manifest, plain, 'c1') }),
      ...(bystander.models.c2 && { c2: one(manifest, bystander, 'c2') }),
      ...(alternating && { alternating: one(manifest, alternating, 'c1') }),
    },
    gradient: models.gradient ? one(manifest, cell, 'gradient') : null,
  };
}

/** A classifier of a run, and what it is called. */
export interface NamedClassifier {
  readonly title: string;
  readonly model: ModelFile;
}

/** Every classifier of a run once: those that take part first, then the others in the order of the run. */
export function classifiersOf(
  { cells }: Manifest,
  { classifiers, target }: Pick<LineUp, 'classifiers' | 'target'>,
): readonly NamedClassifier[] {
  const found = new Map<string, NamedClassifier>();
  const add = (title: string, model: ModelFile): void => {
    if (!found.has(model.sha256)) found.set(model.sha256, { title, model });
  };
  for (const name of ['c1', 'c2', 'alternating'] as const) {
    const model = classifiers[name];
    if (model) add(classifierName(name, target), model);
  }
  // a sweep trains several with attackers of different eps, and one pair for each seed
  for (const { mode, eps, seed, models } of cells) {
    const of = mode === 'consecutive' ? `seed ${seed}` : `${mode}, eps ${number(eps)}, seed ${seed}`;
    add(`Target, ${of}`, models.c1);
    if (models.c2) add(`Bystander, ${of}`, models.c2);
  }
  return [...found.values()];
}

/** The attacks that can be run on a choice. */
export const possibleIn = ({ gradient }: LineUp, { aim }: Pick<Choice, 'aim'>): readonly Method[] =>
  possible({ gradient: gradient !== null, aimed: aim !== null });

/** The choice, with PGD, or else another attack, in the place of one that it does not allow. */
export function feasible(choice: Choice, manifest: Manifest): Choice {
  const methods = possibleIn(lineUp(manifest, choice), choice);
  if (methods.includes(choice.method)) return choice;
  return { ...choice, method: methods.find((method) => method === 'pgd') ?? methods[0]! };
}

/** The cell whose eps is nearest by ratio. */
function nearest(cells: readonly ManifestCell[], eps: number): ManifestCell {
  const far = (cell: ManifestCell): number => Math.abs(Math.log(Math.max(eps, 1e-6) / cell.eps));
  return cells.reduce((best, cell) => (far(cell) < far(best) ? cell : best));
}

/** A model of a cell, under the address of the first cell that has the same: cells share classifiers. */
function one({ cells }: Manifest, cell: ManifestCell, name: keyof CellModels): ModelFile {
  const model = cell.models[name]!;
  const first = cells.find(({ models }) => models[name]?.sha256 === model.sha256);
  return first!.models[name]!;
}

/**
 * The eps of a slider's position: that of an attacker when the position is close to it, so that its exact value can be
 * had whatever the slider's steps are.
 */
export function snap(eps: number, { cells }: Series, step: number): number {
  const close = cells.find((cell) => Math.abs(cell.eps - eps) <= step / 2);
  return close?.eps ?? eps;
}
