import type { Curve, Doubling, MeasuredCell, Warning } from './evaluation.ts';

/** Differences up to a tenth of a point are a few images, not a finding. */
const slack = 0.001;

/**
 * What an honest evaluation keeps to, checked; see docs/evaluation.md.
 *
 * @param classes how many there are: guessing has 1 of so many right.
 */
export function warningsOf(
  cells: readonly MeasuredCell[],
  curves: readonly Curve[],
  doublings: readonly Doubling[],
  classes: number,
): readonly Warning[] {
  const chance = 1 / classes;
  return [
    ...cells.flatMap((cell) => ofCell(cell, chance)),
    ...curves.flatMap(ofPoints),
    ...ofCurves(curves, chance),
    ...doublings.flatMap(ofDoubling),
  ];
}

const points = (accuracy: number): string => `${(100 * accuracy).toFixed(1)} %`;

function ofCell({ folder, mode, eps, c1, c2 }: MeasuredCell, chance: number): readonly Warning[] {
  const warnings: Warning[] = [];
  const left = (name: keyof typeof c1.attacks): number | undefined => c1.attacks[name]?.accuracy;
  const [noise, fgsm, pgd, attacker] = [left('noise'), left('fgsm'), left('pgd'), left('attacker')];
  const warn = (check: Warning['check'], classifier: Warning['classifier'], message: string): void =>
    void warnings.push({ check, folder, classifier, message });

  if (fgsm !== undefined && pgd !== undefined && pgd > fgsm + slack) {
    warn('fgsm-below-pgd', 'c1', `FGSM leaves ${points(fgsm)}, PGD more: ${points(pgd)}; PGD is not right`);
  }
  if (attacker !== undefined && pgd !== undefined && attacker < pgd - slack) {
    const found = `the attacker leaves ${points(attacker)}, PGD more: ${points(pgd)}`;
    warn('attacker-below-pgd', 'c1', `${found}; PGD is too weak, or the gradient is masked`);
  }
  for (const [name, accuracy] of Object.entries({ FGSM: fgsm, PGD: pgd, 'the attacker': attacker })) {
    if (noise === undefined || accuracy === undefined || accuracy <= noise + slack) continue;
    warn('attack-above-noise', 'c1', `${name} leaves ${points(accuracy)}, noise less: ${points(noise)}`);
  }
  if (eps >= 0.5 && c1.attacks.pgd && c1.attacks.pgd.interval.low > chance) {
    warn('above-chance-at-large-eps', 'c1', `PGD leaves ${points(pgd!)} at eps ${eps}, more than guessing`);
  }
  for (const [classifier, measured] of Object.entries({ c1, c2 })) {
    for (const [name, measure] of Object.entries({ clean: measured?.clean, ...measured?.attacks })) {
      if (!measure?.notNumbers) continue;
      warn('not-a-number', classifier as 'c1' | 'c2', notNumbers(name, measure.notNumbers));
    }
  }
  for (const name of ['fgsm', 'pgd', 'attacker'] as const) {
    const [known, transferred] = [c1.attacks[name]?.accuracy, c2?.attacks[name]?.accuracy];
    if (known === undefined || transferred === undefined || transferred >= known - slack) continue;
    // C2 is not hardened: what C1 withstands may well fool it
    if (mode === 'hardened') continue;
    const found = `${name} made for C1 leaves ${points(transferred)} of C2 and ${points(known)} of C1`;
    warn('transfer-below-white-box', 'c2', `${found}: it is better where it knows nothing`);
  }
  return warnings;
}

/** How many answers under an attack are no numbers. */
const notNumbers = (name: string, images: number): string =>
  `${name}: the logits of ${images === 1 ? '1 image' : `${images} images`} are not all numbers (NaN or infinite); ` +
  'they count as wrong, and the loss is the mean over the others';

/** At the large end every image can become any other; and more room never helps the classifier. */
function ofCurves(curves: readonly Curve[], chance: number): readonly Warning[] {
  return curves
    .filter(({ attack, knowledge }) => attack === 'pgd' && knowledge === 'white-box')
    .flatMap(({ folder, classifier, points: curve }): readonly Warning[] => {
      const warnings: Warning[] = [];
      for (const [i, { eps, accuracy, interval }] of curve.entries()) {
        const before = curve[i - 1];
        if (before && interval.low > before.interval.high) {
          const message = `PGD leaves ${points(before.accuracy)} at eps ${before.eps}, more at ${eps}: ${points(accuracy)}`;
          warnings.push({ check: 'curve-rises', folder, classifier, message });
        }
        if (eps >= 0.5 && interval.low > chance) {
          const message = `PGD leaves ${points(accuracy)} at eps ${eps}, more than guessing`;
          warnings.push({ check: 'above-chance-at-large-eps', folder, classifier, message });
        }
      }
      return warnings;
    });
}

const ofPoints = ({ folder, classifier, attack, points: curve }: Curve): readonly Warning[] =>
  curve.flatMap(({ eps, notNumbers: images }): readonly Warning[] =>
    images
      ? [
          {
            check: 'not-a-number',
            folder,
            classifier,
            message: notNumbers(`the curve of ${attack} at eps ${eps}`, images),
          },
        ]
      : [],
  );

function ofDoubling({ folder, steps, accuracy, doubled, images }: Doubling): readonly Warning[] {
  if (Math.abs(doubled - accuracy) < 0.01) return [];
  const message =
    `PGD leaves ${points(accuracy)} of ${images} images with ${steps} steps and ${points(doubled)} with twice as ` +
    'many; take more steps';
  return [{ check: 'steps-not-enough', folder, classifier: 'c1', message }];
}
