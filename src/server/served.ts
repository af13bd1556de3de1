import type { ClassifierCard } from '../runtime/classifier-card.ts';
import type { Catalogue, Cell, StoredModel } from './catalogue.ts';
import type { ModelCatalogue } from './model/catalogue.ts';
import type { ClassifierSource, ModelSource, Source } from './sources.ts';

/** What a server serves: a trained run, or a classifier that somebody brings. */
export type Served = Catalogue | ModelCatalogue;

/** A classifier that answers for itself, without an attack. */
export interface Inferable {
  /** As it stands in a URL. */
  readonly name: string;
  readonly card: ClassifierCard;
  /** The id of its source. */
  readonly source: string;
}

/** What workers open, the first of it first. */
export const sourcesOf = (served: Served): readonly Source[] =>
  'cells' in served
    ? [
        ...served.cells.map((cell): Source => {
          const { folder, eps, models } = cell;
          const [c1, c2, attacker] = [
            fileOf(models.c1),
            models.c2 ? fileOf(models.c2) : null,
            fileOf(models.attacker),
          ] as const;
          return { kind: 'cell', id: folder, eps, image: served.card.image, c1, c2, attacker };
        }),
        ...classifiersOf(served).map(([cell, place, model]) => classifierOf(served, cell, place, model)),
      ]
    : [served.source];

/** The classifiers that can be asked for answers. */
export const inferablesOf = (served: Served): readonly Inferable[] =>
  'cells' in served
    ? classifiersOf(served).map(([cell, place]) => ({
        name: idOf(cell, place),
        card: served.card,
        source: idOf(cell, place),
      }))
    : [{ name: served.name, card: served.card, source: served.source.id }];

const places = ['c1', 'c2'] as const;
type Place = (typeof places)[number];

/** Those that a run has: not every run has a second one. */
const classifiersOf = ({ cells }: Catalogue): readonly (readonly [Cell, Place, StoredModel])[] =>
  cells.flatMap((cell) =>
    places.flatMap((place) => {
      const model = cell.models[place];
      return model ? [[cell, place, model] as const] : [];
    }),
  );

const idOf = ({ folder }: Cell, place: Place): string => `${folder}-${place}`;
const fileOf = ({ content, sha256 }: StoredModel): ModelSource => ({ path: String(content), sha256 });

const classifierOf = (
  { card }: Catalogue,
  cell: Cell,
  place: Place,
  model: StoredModel,
): ClassifierSource => ({
  kind: 'classifier',
  id: idOf(cell, place),
  file: fileOf(model),
  external: {},
  image: card.image,
  classes: card.classes,
  gradients: null,
  attackers: {},
});
