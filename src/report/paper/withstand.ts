import { html } from 'hono/html';
import { modes, type Mode } from '../../runtime/experiment/config.ts';
import { opponents, type Opponent, type Withstand } from '../../runtime/experiment/withstand.ts';
import { drawLines, type Panel } from '../kit/chart.ts';
import type { DataCell, DataTable } from '../kit/data-table.ts';
import { brackets, count, list, percent } from '../kit/format.ts';
import { dataTable, panelGrid, type Markup } from '../kit/markup.ts';
import { quoted } from '../kit/shell.ts';
import { colour } from '../kit/theme.ts';
import { epochsOf } from './provenance.ts';
import { trainImages, type Cell } from './results.ts';

/** A `withstand.json`, and what it was read from. */
export interface NamedWithstand {
  readonly withstand: Withstand;
  readonly source: string;
}

type Classifier = Withstand['withstands'][number];

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

const lookOf: Readonly<
  Record<Mode, { readonly colour: string; readonly symbol: 'circle' | 'square' | 'diamond' }>
> = {
  consecutive: { colour: colour('orange'), symbol: 'square' },
  alternating: { colour: colour('blue'), symbol: 'circle' },
  hardened: { colour: colour('green'), symbol: 'diamond' },
};

/** How C1 was trained: the consecutive one saw clean images alone. */
const nameOf = ({ mode, seed }: Classifier, all: readonly Classifier[]): string => {
  const name = mode === 'consecutive' ? 'undefended' : mode;
  return new Set(all.map((each) => each.seed)).size > 1 ? `${name}, seed ${seed}` : name;
};

const inOrder = ({ withstands }: Withstand): readonly Classifier[] =>
  withstands.toSorted(
    (a, b) => a.eps - b.eps || modes.indexOf(a.mode) - modes.indexOf(b.mode) || a.seed - b.seed,
  );

/** The opponents that any of the classifiers met. */
const met = ({ withstands }: Withstand): readonly Opponent[] =>
  opponents.filter((name) => withstands.some(({ under }) => under[name]));

const figured = ({
  accuracy,
  interval,
}: {
  readonly accuracy: number;
  readonly interval: { readonly low: number; readonly high: number };
}): DataCell => ({ value: percent(accuracy), detail: brackets(interval), lost: 1 - accuracy });

/** How long C1 was trained, on how many images: `2 + 1 + 1 epochs, 10,000 images`; nothing where no result says so. */
function trainingOf({ model }: Classifier, cells: readonly Cell[]): string {
  const cell = cells.find(({ models }) => models.c1 === model);
  if (!cell) return 'not known';
  const images = trainImages(cell);
  return `${epochsOf(cell)} epochs, ${images === null ? 'all images' : count(images, 'image')}`;
}

/**
 * A line a classifier, a column an attacker.
 *
 * @param cells those that the classifiers are of.
 */
export function withstandTable(withstand: Withstand, cells: readonly Cell[]): DataTable {
  const columns = met(withstand);
  const all = inOrder(withstand);
  return {
    head: ['C1', 'eps', 'training', 'clean', ...columns.map((name) => titles[name])],
    rows: all.map((each) => [
      nameOf(each, all),
      String(each.eps),
      trainingOf(each, cells),
      figured(each.clean),
      ...columns.map((name) => {
        const measured = each.under[name];
        return measured ? figured(measured) : 'not measured';
      }),
    ]),
  };
}

/** A line a number: the command that measures it again. */
export function withstandCommands(withstand: Withstand): DataTable {
  const all = inOrder(withstand);
  return {
    head: ['C1', 'attacker', 'images', 'command'],
    rows: all.flatMap((each) =>
      met(withstand).flatMap((name) => {
        const measured = each.under[name];
        if (!measured) return [];
        const command = `npx -y pnpm@10 sparring ${measured.command.map(quoted).join(' ')}`;
        return [[each.folder, titles[name], String(measured.images), command]];
      }),
    ),
  };
}

/** A panel for each eps; a line a classifier, from the weakest attacker to the strongest. */
export function withstandPanels(withstand: Withstand, id: string): readonly Panel[] {
  const columns = ['clean', ...met(withstand)] as const;
  const all = inOrder(withstand);
  const eps = [...new Set(all.map((each) => each.eps))];
  return eps.map((one, i) => {
    const own = all.filter((each) => each.eps === one);
    const lines = own.map((each) => ({
      label: nameOf(each, all),
      ...lookOf[each.mode],
      points: columns.flatMap((name, x) => {
        const measured = name === 'clean' ? each.clean : each.under[name];
        if (!measured) return [];
        const { accuracy, interval } = measured;
        return [{ x, y: 100 * accuracy, low: 100 * interval.low, high: 100 * interval.high }];
      }),
    }));
    const names = columns.map((name) => (name === 'clean' ? name : titles[name]));
    const description = own
      .map((each, line) => {
        const points = lines[line]!.points.map(({ x, y }) => `${y.toFixed(1)} % ${names[x]}`);
        return `${nameOf(each, all)}: ${points.join(', ')}`;
      })
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
  all: readonly (NamedWithstand & { readonly panels: readonly Panel[] })[],
  cells: readonly Cell[],
): Markup =>
  html`<h2 id="withstand">Who withstands whom</h2>
    ${all.map(({ withstand, source, panels }) => {
      const images = [
        ...new Set(withstand.withstands.flatMap(({ under }) => Object.values(under).map((u) => u.images))),
      ].toSorted((a, b) => a - b);
      return html`<p>
          Accuracy of each C1 under each attacker, with the 95 % interval (Wilson) in brackets, on
          ${list(images.map((n) => n.toLocaleString('en-US')))} test images. ${opponentsText}
        </p>
        ${dataTable(`Who withstands whom, ${source}`, withstandTable(withstand, cells), { stacked: true })}
        ${panelGrid(panels)}
        <details>
          <summary>The command of every number</summary>
          <p>
            Measured at commit <code>${withstand.environment.commit ?? 'not a checkout'}</code> on
            ${withstand.environment.device}, ${count(withstand.environment.threads, 'thread')}. Read from
            <code>${source}</code>.
          </p>
          ${dataTable(`Commands of ${source}`, withstandCommands(withstand), { stacked: true })}
        </details>`;
    })}`;
