import { html } from 'hono/html';
import { modes, type DefenceConfig, type Mode } from '../../runtime/experiment/config.ts';
import { opponents, type Opponent, type Withstand } from '../../runtime/experiment/withstand.ts';
import { drawLines, type Line, type Panel } from '../kit/chart.ts';
import type { DataCell, DataTable } from '../kit/data-table.ts';
import { brackets, count, list, percent } from '../kit/format.ts';
import { dataTable, panelGrid, type Markup } from '../kit/markup.ts';
import { quoted } from '../kit/shell.ts';
import { colour } from '../kit/theme.ts';
import { epochsOf } from './provenance.ts';
import { cellTitle, threatName, threatOf, trainImages, trainingName, type Cell } from './results.ts';
import { sourceNames } from './sources.ts';

/** A `withstand.json`, and what it was read from. */
export interface NamedWithstand {
  readonly withstand: Withstand;
  readonly source: string;
}

/** A `withstand.json` with the cells that its classifiers are of. */
export interface WithstandFile extends NamedWithstand {
  readonly classifiers: readonly Classifier[];
}

/** What stands in one table and one figure: runs that differ in how C1 was trained, and in eps and seed. */
export interface WithstandGroup {
  readonly files: readonly WithstandFile[];
  /** In the order of the table. One that several files give alike is there once. */
  readonly rows: readonly Row[];
}

/** One C1, what it withstands, and the cell that it is of; null where no result has it. */
interface Classifier {
  readonly measured: Withstand['withstands'][number];
  readonly cell: Cell | null;
}

interface Row extends Classifier {
  /** Unique among those of an eps: `undefended`, `hardened (pgd), seed 2`. */
  readonly name: string;
}

const titles: Readonly<Record<Opponent, string>> = {
  universal: 'universal',
  own: 'own A',
  fresh: 'fresh A',
  fgsm: 'FGSM',
  pgd: 'PGD-40',
  standard: 'standard',
};

/** Who the attackers are, in the order of the table, and how the training is written. */
export const opponentsText =
  'Universal: one perturbation for all images, trained against this C1. Own A: the attacker of the cell; in alternating ' +
  'training C1 learned from it, in the others it was trained against the finished C1. Fresh A: another attacker, trained ' +
  'against the finished C1. FGSM, PGD-40: along the gradient of this C1. Standard: the worst case of the four attacks of ' +
  'the audit of that name, on images that its seed chooses; the others are on the first ones. Training: epochs of C1 on ' +
  'clean images, on images under gradient attacks where it is hardened, and of A, in which an alternating C1 learns too.';

type Look = Pick<Line, 'colour' | 'symbol'>;
const looks: Readonly<Record<Exclude<Mode, 'hardened'> | DefenceConfig['method'], Look>> = {
  consecutive: { colour: colour('orange'), symbol: 'square' },
  alternating: { colour: colour('blue'), symbol: 'circle' },
  fast: { colour: colour('ink'), symbol: 'star' },
  pgd: { colour: colour('green'), symbol: 'diamond' },
  trades: { colour: colour('purple'), symbol: 'triangle' },
};

const lookOf = ({ measured: { mode }, cell }: Classifier): Look =>
  looks[mode === 'hardened' ? (cell?.config.defence?.method ?? 'pgd') : mode];

/** How C1 was trained: the consecutive one saw clean images alone. */
const trainingIn = ({ measured: { mode }, cell }: Classifier): string =>
  mode === 'consecutive' ? 'undefended' : cell ? trainingName(cell) : mode;

/**
 * Puts what several runs of one threat model and one data set measured side by side.
 *
 * @param cells those that the classifiers are of.
 */
export function withstandGroups(
  all: readonly NamedWithstand[],
  cells: readonly Cell[],
): readonly WithstandGroup[] {
  const files = all.map((named) => ({
    ...named,
    classifiers: named.withstand.withstands.map((measured) => ({
      measured,
      // cells of several eps may share their C1
      cell:
        cells.find(({ folder, models }) => folder === measured.folder && models.c1 === measured.model) ??
        null,
    })),
  }));
  const keyOf = ({ withstand, source, classifiers }: WithstandFile): string => {
    // all cells of a run are of one threat model
    const known = classifiers.find(({ cell }) => cell)?.cell;
    return known ? `${withstand.data.sha256} ${threatName(threatOf(known))}` : source;
  };
  return [...new Set(files.map(keyOf))].map((key) => {
    const own = files.filter((file) => keyOf(file) === key);
    return { files: own, rows: rowsOf(own) };
  });
}

function rowsOf(files: readonly WithstandFile[]): readonly Row[] {
  const sources = sourceNames(files);
  const all = files.flatMap(({ classifiers }, i) =>
    classifiers.map((each) => ({ ...each, source: sources[i]! })),
  );
  const numbers = all.map(numbersOf);
  const distinct = all.filter((_, i) => numbers.indexOf(numbers[i]!) === i);
  const severalSeeds = new Set(distinct.map(({ measured }) => measured.seed)).size > 1;
  const named = distinct.map((each) => {
    const training = trainingIn(each);
    return { ...each, training, name: severalSeeds ? `${training}, seed ${each.measured.seed}` : training };
  });
  return named
    .map(({ measured, cell, name, training, source }) => {
      const isAmbiguous =
        named.filter((other) => other.name === name && other.measured.eps === measured.eps).length > 1;
      return { measured, cell, training, name: isAmbiguous ? `${name}, ${source}` : name };
    })
    .toSorted(
      ({ measured: a, ...one }, { measured: b, ...other }) =>
        a.eps - b.eps ||
        modes.indexOf(a.mode) - modes.indexOf(b.mode) ||
        one.training.localeCompare(other.training) ||
        a.seed - b.seed,
    );
}

/** What was measured of a C1, whatever it is called and by which command: equal for two of the same. */
const numbersOf = ({ measured: { model, eps, clean, under } }: Classifier): string =>
  JSON.stringify([
    model,
    eps,
    clean,
    opponents.map((name) => [under[name]?.accuracy ?? null, under[name]?.images ?? null]),
  ]);

/** The opponents that any of the classifiers met. */
const met = (all: readonly Classifier[]): readonly Opponent[] =>
  opponents.filter((name) => all.some(({ measured: { under } }) => under[name]));

const figured = ({
  accuracy,
  interval,
}: {
  readonly accuracy: number;
  readonly interval: { readonly low: number; readonly high: number };
}): DataCell => ({ value: percent(accuracy), detail: brackets(interval), lost: 1 - accuracy });

/** How long C1 was trained, on how many images: `2 + 1 + 1 epochs, 10,000 images`; nothing where no result says so. */
function trainingOf({ cell }: Classifier): string {
  if (!cell) return 'not known';
  const images = trainImages(cell);
  return `${epochsOf(cell)} epochs, ${images === null ? 'all images' : count(images, 'image')}`;
}

/** A line a classifier, a column an attacker. */
export function withstandTable({ rows }: WithstandGroup): DataTable {
  const columns = met(rows);
  return {
    head: ['C1', 'eps', 'training', 'clean', ...columns.map((name) => titles[name])],
    rows: rows.map((row) => [
      row.name,
      String(row.measured.eps),
      trainingOf(row),
      figured(row.measured.clean),
      ...columns.map((name) => {
        const found = row.measured.under[name];
        return found ? figured(found) : 'not measured';
      }),
    ]),
  };
}

/** A line a number of a file: the command that measures it again. */
export const withstandCommands = ({ classifiers }: WithstandFile): DataTable => ({
  head: ['C1', 'attacker', 'images', 'command'],
  rows: classifiers.flatMap(({ measured, cell }) =>
    met(classifiers).flatMap((name) => {
      const found = measured.under[name];
      if (!found) return [];
      const command = `npx -y pnpm@10 sparring ${found.command.map(quoted).join(' ')}`;
      return [[cell ? cellTitle(cell) : measured.folder, titles[name], String(found.images), command]];
    }),
  ),
});

/** A panel for each eps; a line a classifier, from the weakest attacker to the strongest. */
export function withstandPanels({ rows }: WithstandGroup, id: string): readonly Panel[] {
  const columns = ['clean', ...met(rows)] as const;
  const eps = [...new Set(rows.map(({ measured }) => measured.eps))];
  return eps.map((one, i) => {
    const lines = rows
      .filter(({ measured }) => measured.eps === one)
      .map((row) => ({
        label: row.name,
        ...lookOf(row),
        points: columns.flatMap((name, x) => {
          const found = name === 'clean' ? row.measured.clean : row.measured.under[name];
          if (!found) return [];
          const { accuracy, interval } = found;
          return [{ x, y: 100 * accuracy, low: 100 * interval.low, high: 100 * interval.high }];
        }),
      }));
    const names = columns.map((name) => (name === 'clean' ? name : titles[name]));
    const description = lines
      .map(
        ({ label, points }) =>
          `${label}: ${points.map(({ x, y }) => `${y.toFixed(1)} % ${names[x]}`).join(', ')}`,
      )
      .join('; ');
    return drawLines(
      lines,
      {
        x: {
          label: null,
          domain: [0, columns.length - 1],
          ticks: columns.map((_, x) => x),
          tickFormat: (x: number) => names[x]!,
          tickRotate: -35,
        },
        y: { label: 'accuracy (%)', domain: [0, 100], ticks: 5 },
        // room for the names
        marginBottom: 64,
      },
      { id: eps.length === 1 ? id : `${id}-${i + 1}`, title: `Who withstands whom, eps ${one}`, description },
    );
  });
}

/** What every C1 withstands, side by side. */
export const withstandSection = (
  groups: readonly (WithstandGroup & { readonly panels: readonly Panel[] })[],
): Markup =>
  html`<h2 id="withstand">Who withstands whom</h2>
    ${groups.map((group) => {
      const { files, rows, panels } = group;
      const sources = list(files.map(({ source }) => source));
      const images = [
        ...new Set(rows.flatMap(({ measured }) => Object.values(measured.under).map((u) => u.images))),
      ].toSorted((a, b) => a - b);
      return html`${groups.length > 1 ? html`<h3>${sources}</h3>` : ''}
        <p>
          Accuracy of each C1 under each attacker, with the 95 % interval (Wilson) in brackets, on
          ${list(images.map((n) => n.toLocaleString('en-US')))} test images. ${opponentsText}
        </p>
        ${dataTable(`Who withstands whom, ${sources}`, withstandTable(group), { stacked: true })}
        ${panelGrid(panels)}
        <details>
          <summary>The command of every number</summary>
          ${files.map(
            (file) =>
              html`<p>
                  Measured at commit
                  <code>${file.withstand.environment.commit ?? 'not a checkout'}</code> on
                  ${file.withstand.environment.device},
                  ${count(file.withstand.environment.threads, 'thread')}. Read from
                  <code>${file.source}</code>.
                </p>
                ${dataTable(`Commands of ${file.source}`, withstandCommands(file), { stacked: true })}`,
          )}
        </details>`;
    })}`;
