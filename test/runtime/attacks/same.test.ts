import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attackStepModel } from '../../../src/models/attacks.ts';
import { fgsm, pgd, startsOf, type Target } from '../../../src/runtime/attack.ts';
import {
  attackOf,
  drawsOf,
  toEnd,
  type AttackName,
  type Images,
  type SettingsOf,
  type ThreatModel,
} from '../../../src/runtime/attacks/index.ts';
import { withNoise } from '../../../src/runtime/evaluate.ts';
import type { OpenOracle } from '../../../src/runtime/evaluation/oracle.ts';
import { stream } from '../../../src/runtime/random.ts';
import { openModel } from '../../../src/runtime/session.ts';
import { float32, type Tensor } from '../../../src/runtime/tensor.ts';
import { drawnClassifier, fileOf } from '../../support/classifiers.ts';
import { drawnBatch, oracleOf, someOf } from '../../support/oracles.ts';

/** The attacks of `runtime/attack.ts`, as they were before `runtime/attacks`, on the same batches. */
const image = { channels: 1, height: 28, width: 28 };
const options = { device: 'cpu', threads: 1 } as const;
const batch = drawnBatch(11, 24, image, 10);
const seed = 7;
const sizes = [1, 5, 24];
const settings = { steps: 7, stepSize: 0.2, restarts: 1 };

let target: Target;
let oracle: OpenOracle;
beforeAll(async () => {
  const graph = drawnClassifier(stream(11, 'same'));
  target = {
    step: await openModel(attackStepModel(graph, 'cpu'), options),
    classifier: await openModel(fileOf(graph), options),
  };
  oracle = await oracleOf(graph, image);
});
afterAll(async () => {
  await target.step.close();
  await target.classifier.close();
  await oracle.close();
});

/** All images in order, in batches of a size: what was, and what is. */
async function bothWays<K extends AttackName>(
  name: K,
  own: SettingsOf<K>,
  { eps, clip, size }: { readonly eps: number; readonly clip: boolean; readonly size: number },
  old: (part: { readonly image: Tensor; readonly label: Tensor }) => Promise<Tensor> | Tensor,
): Promise<readonly [was: Int32Array, is: Int32Array]> {
  const threat: ThreatModel = { norm: 'linf', eps, range: clip ? [0, 1] : null, goal: 'untargeted' };
  const draws = drawsOf(seed, name);
  const [was, is]: [Images['data'][], Images['data'][]] = [[], []];
  for (let from = 0; from < 24; from += size) {
    const indices = Array.from({ length: Math.min(size, 24 - from) }, (_, i) => from + i);
    const part = someOf(batch, indices);
    const tensors = {
      image: float32(part.images.shape, part.images.data),
      label: { dtype: 'int32', shape: [indices.length], data: part.labels } as const,
    };
    was.push((await old(tensors)).data as Float32Array);
    is.push((await toEnd(attackOf(name).run(oracle, part, threat, own, draws))).data);
  }
  return [bits(was), bits(is)];
}

/** Float32 as the integers that their bits are, so that 0 and -0 differ. */
const bits = (parts: readonly Float32Array[]): Int32Array =>
  Int32Array.from(parts.flatMap((part) => [...new Int32Array(part.slice().buffer)]));

const cases = [0.1, 8 / 255].flatMap((eps) =>
  [true, false].flatMap((clip) => sizes.map((size) => ({ eps, clip, size }))),
);

describe.each(cases)('the same bits as before, eps $eps, clip $clip, batches of $size', (how) => {
  it('noise', async () => {
    const random = stream(seed, 'noise');
    const [was, is] = await bothWays('noise', {}, how, ({ image: clean }) => withNoise(clean, how, random));
    expect(is).toEqual(was);
  });

  it('FGSM', async () => {
    const [was, is] = await bothWays('fgsm', {}, how, (part) => fgsm(target, part, how));
    expect(is).toEqual(was);
  });

  it.each([1, 3])('PGD with %d restarts', async (restarts) => {
    const own = { ...settings, restarts };
    const starts = startsOf({ ...own, seed });
    const [was, is] = await bothWays('pgd', own, how, (part) =>
      pgd(target, part, how, { ...own, seed }, starts),
    );
    expect(is).toEqual(was);
  });
});
