import type { AttackSettings, Evaluation, Matrix, Warning } from '../../runtime/index.ts';
import { framedTable, widthOf } from '../table.ts';

type Cell = Evaluation['cells'][number];
type Name = 'c1' | 'c2';

/** Checks that say why accuracy under attack is no proof of robustness. */
const doubtful: readonly Warning['check'][] = [
  'zero-gradient',
  'probabilities',
  'constant-answers',
  'not-a-number',
];

/**
 * The accuracies of an evaluation as text without colours: a row for each classifier, or, where that is too wide, a
 * column. Accuracies that are no proof of robustness have a star, and a line below the table says why.
 *
 * @param columns of the terminal; 44 and more are kept to, unless a folder's name is longer.
 */
export function evaluationTable(evaluation: Evaluation, columns: number): string {
  const wide = wideTable(evaluation);
  const table = widthOf(wide) <= columns ? wide : narrowTables(evaluation);
  const checks = [...new Set(evaluation.warnings.map(({ check }) => check))].filter((check) =>
    doubtful.includes(check),
  );
  return [table, ...checks.map((check) => `* no proof of robustness: ${check}`)].join('\n');
}

/**
 * The cross-attack matrix: what each attacker in a row leaves of each classifier in a column. Names stand below, and
 * classifiers that do not fit stand in further tables.
 */
export function matrixTable({ attackers, classifiers, attacked }: Matrix, columns: number): string {
  const at = (letter: string, i: number): string => `${letter}${i + 1}`;
  const table = (from: number, to: number): string =>
    framedTable(
      ['left', ...classifiers.slice(from, to).map((_, i) => at('c', from + i))],
      attackers.map((_, i) => [at('a', i), ...attacked[i]!.slice(from, to).map(percent)]),
    );
  let size = classifiers.length;
  while (size > 1 && widthOf(table(0, size)) > columns) size--;
  const tables: string[] = [];
  for (let from = 0; from < classifiers.length; from += size) tables.push(table(from, from + size));
  return [
    ...tables,
    ...attackers.map(({ name }, i) => `${at('a', i)}: ${name}`),
    ...classifiers.map(({ name }, i) => `${at('c', i)}: ${name}`),
  ].join('\n');
}

function wideTable({ attacks, cells, warnings }: Evaluation): string {
  const head = ['accuracy', ...rowNames(attacks).map(([, title]) => title)];
  const rows = cells.flatMap((cell) => [
    { span: cell.folder },
    ...namesOf(cell).map((name) => [
      `  ${titleOf(cell, name)}`,
      ...rowNames(attacks).map(([row]) => shown(cell, name, row, warnings)),
    ]),
  ]);
  return framedTable(head, rows);
}

function narrowTables({ attacks, cells, warnings }: Evaluation): string {
  return cells
    .map((cell) => {
      const names = namesOf(cell);
      const rows = rowNames(attacks).map(([row, title]) => [
        title,
        ...names.map((name) => shown(cell, name, row, warnings)),
      ]);
      return `${cell.folder}\n${framedTable(['accuracy', ...names.map((name) => titleOf(cell, name))], rows)}`;
    })
    .join('\n');
}

const namesOf = (cell: Cell): readonly Name[] => (cell.c2 ? ['c1', 'c2'] : ['c1']);
const titleOf = (cell: Cell, name: Name): string => `${name.toUpperCase()} ${cell[name]!.knowledge}`;

type Row = 'clean' | AttackSettings['attack'] | 'worst';

const rowNames = (attacks: readonly AttackSettings[]): readonly (readonly [row: Row, title: string])[] => [
  ['clean', 'clean'],
  ...attacks.map((settings) => [settings.attack, attackTitle(settings)] as const),
  ['worst', 'worst'],
];

function attackTitle(settings: AttackSettings): string {
  switch (settings.attack) {
    case 'fgsm':
      return 'FGSM';
    case 'pgd':
      return `PGD-${settings.steps}`;
    default:
      return settings.attack;
  }
}

function shown(cell: Cell, name: Name, row: Row, warnings: readonly Warning[]): string {
  const measured = cell[name]!;
  const measure = row === 'clean' || row === 'worst' ? measured[row] : measured.attacks[row];
  if (!measure) return '';
  const starred = warnings.some((warning) => warning.folder === cell.folder && concerns(warning, name, row));
  return percent(measure) + (starred ? '*' : '');
}

/** Whether a warning takes the meaning from a number. */
function concerns({ check, classifier }: Warning, name: Name, row: Row): boolean {
  switch (check) {
    // C2 is shown what was made with the gradient of C1
    case 'zero-gradient':
    case 'probabilities':
      return classifier === 'c1' && (row === 'fgsm' || row === 'pgd' || row === 'worst');
    case 'constant-answers':
    case 'not-a-number':
      return classifier === name;
    default:
      return false;
  }
}

const percent = ({ accuracy }: { readonly accuracy: number }): string => `${(100 * accuracy).toFixed(1)} %`;
