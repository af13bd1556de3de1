import {
  attackOf,
  drawsOf,
  scoresOf,
  toEnd,
  type Batch,
  type Configured,
  type Images,
  type Oracle,
  type ThreatModel,
  type Trained,
} from '../attacks/index.ts';
import { mostTargets } from '../attacks/targets.ts';
import { inOrder, type ImageSource } from '../data/source.ts';
import type { AttackerMeasure } from './card.ts';

const batchSize = 100;

/**
 * What a trained attacker does to images at one eps, as {@link measureAttack} has it.
 *
 * @param oracle with the attacker.
 */
export const measureAttacker = (
  oracle: Oracle,
  name: Trained,
  source: ImageSource,
  eps: number,
): AsyncGenerator<number, AttackerMeasure> =>
  measureAttack(oracle, { attack: name, settings: {} }, oracle[name]!.targeted === true, source, eps);

/**
 * What an attack does to images at one eps. A targeted one is aimed at other classes in turn, the ones after the label
 * and nine at most, and its figures are means over them. Yields the number of images that are done.
 *
 * @param source with labels.
 */
export async function* measureAttack(
  oracle: Oracle,
  { attack, settings }: Configured,
  targeted: boolean,
  source: ImageSource,
  eps: number,
): AsyncGenerator<number, AttackerMeasure> {
  const { classes } = oracle;
  const threat: ThreatModel = {
    norm: 'linf',
    eps,
    range: [0, 1],
    goal: targeted ? 'targeted' : 'untargeted',
  };
  const turns = targeted ? Math.min(classes - 1, mostTargets) : 1;
  const wrong = new Float64Array(classes);
  let [clean, attacked, fooled, reached] = [0, 0, 0, 0];
  for await (const { start, image, label } of inOrder(source, batchSize)) {
    const labels = label.data as Int32Array;
    const images = { data: image.data, shape: image.shape } as Images;
    const places = labels.map((_, i) => start + i);
    const before = [...scoresOf(await oracle.logits(images), labels)];
    clean += before.filter(({ right }) => right).length;
    for (let turn = 0; turn < turns; turn++) {
      const targets = labels.map((own) => (own + 1 + turn) % classes);
      const batch: Batch = { images, labels, places, ...(targeted && { targets }) };
      const seen = await toEnd(
        attackOf(attack).run(oracle, batch, threat, settings as never, drawsOf(0, attack)),
      );
      const after = [...scoresOf(await oracle.logits(seen), labels)];
      after.forEach(({ answer, right }, i) => {
        if (right) attacked++;
        else if (answer >= 0) wrong[answer]!++;
        if (answer !== before[i]!.answer) fooled++;
        if (answer === targets[i]) reached++;
      });
    }
    yield start + labels.length;
  }
  const all = source.count * turns;
  const most = wrong.indexOf(Math.max(...wrong));
  const sum = wrong.reduce((a, b) => a + b, 0);
  return {
    eps,
    images: source.count,
    clean: clean / source.count,
    attacked: attacked / all,
    fooling: fooled / all,
    success: targeted ? reached / all : null,
    favourite: sum > 0 ? { label: most, part: wrong[most]! / sum } : null,
  };
}
