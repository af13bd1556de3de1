import type { Mode } from '../config.ts';
import { claims, type Claim } from './claims.ts';
import type { Criterion } from './criteria.ts';
import { count, list } from './format.ts';
import { cellsAt, testImages, trainImages, type Cell, type ThreatModel } from './results.ts';

/** How long the paper trained (sections 2.1.1 and 2.1.2). */
export const paperEpochs: Readonly<Record<Mode, { readonly classifier: number; readonly attacker: number }>> =
  { consecutive: { classifier: 20, attacker: 20 }, alternating: { classifier: 5, attacker: 20 } };

export type Verdict = 'yes' | 'yes where measured' | 'in part' | 'no' | 'not measured';

/** A claim of the paper, judged by the cells of one threat model. */
export interface Judgement {
  readonly claim: Claim;
  readonly verdict: Verdict;
  readonly criteria: readonly Criterion[];
  /** Cells that the claim is about and that were not measured, as `alternating 0.08`. */
  readonly missing: readonly string[];
  /** What to know of the cells: in what they differ from the paper's, how many seeds there are. */
  readonly caveats: readonly string[];
}

/** Judges every claim by the cells of a threat model. */
export const judge = ({ cells, ...threat }: ThreatModel): readonly Judgement[] =>
  claims.map((claim) => {
    const criteria = claim.judge(cells);
    const held = criteria.filter(({ holds }) => holds).length;
    const there = claim.about.flatMap(([mode, eps]) => cellsAt(cells, mode, eps));
    const missing = claim.about
      .filter(([mode, eps]) => cellsAt(cells, mode, eps).length === 0)
      .map(([mode, eps]) => `${mode} ${eps}`);
    const verdict: Verdict =
      criteria.length === 0
        ? 'not measured'
        : held === criteria.length
          ? missing.length === 0
            ? 'yes'
            : 'yes where measured'
          : held === 0
            ? 'no'
            : 'in part';
    return {
      claim,
      verdict,
      criteria,
      missing,
      caveats: there.length === 0 ? [] : caveats(there, threat),
    };
  });

/** In what cells differ from the paper's: fewer epochs or images, another threat model, one seed. */
function caveats(
  cells: readonly Cell[],
  { clip, architecture, data, against }: Omit<ThreatModel, 'cells'>,
): readonly string[] {
  const fewer = (mode: Mode): string[] => {
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
    ...(seeds === 1 ? ['one seed'] : []),
  ];
}
