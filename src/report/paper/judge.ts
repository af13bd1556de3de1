import type { paperModes } from '../../runtime/experiment/config.ts';
import { claims, type Claim } from './claims.ts';
import { attackTitle, type NamedEvaluation } from './attacks.ts';
import type { Criterion } from './criteria.ts';
import { count, list, percent } from '../kit/format.ts';
import { cellsAt, testImages, trainImages, type Cell, type ThreatModel } from './results.ts';

type PaperMode = (typeof paperModes)[number];

/** How long the paper trained (sections 2.1.1 and 2.1.2). */
export const paperEpochs: Readonly<
  Record<PaperMode, { readonly classifier: number; readonly attacker: number }>
> = { consecutive: { classifier: 20, attacker: 20 }, alternating: { classifier: 5, attacker: 20 } };

/** Said in the place of claims where there are none to judge. */
export const notOfThePaper =
  'The attacker was trained against a classifier that was given. The paper makes no claim about that.';

type Word = 'yes' | 'in part' | 'no';
export type Verdict = Word | `${Word} where measured` | 'not measured';

/** A claim of the paper, judged by the cells of one threat model. */
export interface Judgement {
  readonly claim: Claim;
  readonly verdict: Verdict;
  readonly criteria: readonly Criterion[];
  /** Cells that the claim is about and that were not measured, or not for long enough, as `alternating 0.08`. */
  readonly missing: readonly string[];
  /** The same cells as in `claim.about`. */
  readonly lacking: Claim['about'];
  /** What to know of the cells: in what they differ from the paper's, how many seeds there are. */
  readonly caveats: readonly string[];
}

/**
 * Judges every claim by the cells of a threat model. An attacker that was trained against a given classifier is not what
 * the paper speaks of: nothing is judged there.
 *
 * @param evaluations what other attacks leave of the alternately trained classifiers.
 */
export function judge(
  { cells, ...threat }: ThreatModel,
  evaluations: readonly NamedEvaluation[] = [],
): readonly Judgement[] {
  if (cells.some(({ config }) => config.against)) return [];
  return claims.map((claim) => {
    const least = claim.epochs ?? 0;
    const enough = cells.filter(({ config }) => config.attackerEpochs >= least);
    const criteria = claim.judge(enough);
    const held = criteria.filter(({ holds }) => holds).length;
    const there = claim.about.flatMap(([mode, eps]) => cellsAt(cells, mode, eps));
    const lacking = claim.about.filter(([mode, eps]) => cellsAt(enough, mode, eps).length === 0);
    const missing = lacking.map(([mode, eps]) => `${mode} ${eps}`);
    const word: Word = held === criteria.length ? 'yes' : held === 0 ? 'no' : 'in part';
    const verdict: Verdict =
      criteria.length === 0 ? 'not measured' : missing.length === 0 ? word : `${word} where measured`;
    const short = there.some(({ config }) => config.attackerEpochs < least);
    return {
      claim,
      verdict,
      criteria,
      missing,
      lacking,
      caveats: [
        ...there.flatMap((cell) => otherAttacks(cell, evaluations)),
        ...(short ? [`at least ${least} attacker epochs are needed`] : []),
        ...(there.length === 0 ? [] : caveats(there, threat)),
      ],
    };
  });
}

/**
 * What other attacks leave of an alternately trained C1. That its own attacker leaves much says little: it was trained
 * against that very attacker.
 */
const otherAttacks = (cell: Cell, evaluations: readonly NamedEvaluation[]): readonly string[] =>
  cell.mode !== 'alternating'
    ? []
    : evaluations.flatMap(({ evaluation: { attacks, cells, data } }) =>
        cells
          .filter(
            ({ mode, eps, seed, clip, bound }) =>
              mode === cell.mode &&
              eps === cell.eps &&
              seed === cell.seed &&
              clip === cell.clip &&
              bound === cell.bound,
          )
          .map(({ c1 }) => {
            const left = (['pgd', 'fgsm'] as const).flatMap((attack) => {
              const measure = c1.attacks[attack];
              return measure ? [`${attackTitle(attack, attacks)} leaves ${percent(measure.accuracy)}`] : [];
            });
            return `alternating ${cell.eps} was attacked by the attacker that it was trained with; ${list(left)} of its C1 (first ${count(data.images, 'test image')})`;
          }),
      );

/** In what cells differ from the paper's: fewer epochs or images, another threat model, one seed. */
function caveats(
  cells: readonly Cell[],
  { clip, architecture, data, against, readings }: Omit<ThreatModel, 'cells'>,
): readonly string[] {
  const fewer = (mode: PaperMode): string[] => {
    const of = cells.filter((cell) => cell.mode === mode);
    const paper = paperEpochs[mode];
    const epochs = [
      ...new Set(of.map(({ config }) => `${config.classifierEpochs} + ${config.attackerEpochs}`)),
    ];
    const same = `${paper.classifier} + ${paper.attacker}`;
    return epochs.some((each) => each !== same)
      ? [`${mode}: ${list(epochs)} epochs instead of the paper's ${same}`]
      : [];
  };
  const least = (of: (cell: Cell) => number | null): number =>
    Math.min(...cells.map((cell) => of(cell) ?? Infinity));
  const [train, test] = [least(trainImages), least(testImages)];
  const seeds = new Set(cells.map(({ seed }) => seed)).size;
  return [
    ...fewer('consecutive'),
    ...fewer('alternating'),
    ...(train < 60_000 ? [`${count(train, 'training image')} of 60,000`] : []),
    ...(test < 10_000 ? [`${count(test, 'test image')} of 10,000`] : []),
    ...(clip ? ["clipped, not the paper's threat model"] : []),
    ...(architecture === 'paper' ? [] : [`network ${architecture}, not the paper's`]),
    ...(data === 'mnist' ? [] : [`data ${data}, not MNIST`]),
    ...(against === null ? [] : [`attacker trained ${against.replace(/^(?=\d)/, 'on ')}`]),
    ...(readings === null ? [] : [`read with ${readings}`]),
    ...(seeds === 1 ? ['one seed'] : []),
  ];
}
