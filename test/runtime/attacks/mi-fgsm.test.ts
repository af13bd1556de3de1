import { describe, expect, it } from 'vitest';
import { attackOf, drawsOf, toEnd, type Images, type Oracle } from '../../../src/runtime/attacks/index.ts';
import { stream } from '../../../src/runtime/random.ts';
import { drawnBatch, oracleOf, smallClassifier } from '../../support/oracles.ts';

const image = { channels: 1, height: 1, width: 2 };
const at = (...data: number[]): Images => ({ data: Float32Array.from(data), shape: [1, 1, 1, 2] });
const logits = { data: Float32Array.of(0, 0), shape: [1, 2] } as const;
const threat = { norm: 'linf', eps: 0.5, range: null, goal: 'untargeted' } as const;

/** Where the attack goes from (0, 0) in steps of 0.1, when these are the gradients that it is given one after another. */
async function pathOf(gradients: readonly Images[], decay: number): Promise<number[][]> {
  const asked: number[][] = [];
  const oracle: Oracle = {
    image,
    classes: 2,
    logits: () => Promise.resolve(logits),
    gradient: ({ images }) => {
      asked.push([...images.data]);
      return Promise.resolve({ logits, loss: Float32Array.of(0), gradient: gradients[asked.length - 1]! });
    },
  };
  const batch = { images: at(0, 0), labels: Int32Array.of(0), places: Int32Array.of(0) };
  const settings = { steps: gradients.length, stepSize: 0.2, decay };
  const last = await toEnd(attackOf('mi-fgsm').run(oracle, batch, threat, settings, drawsOf(1, 'mi-fgsm')));
  return [...asked.slice(1), [...last.data]].map((x) => x.map((value) => Math.round(1e6 * value) / 1e6));
}

describe('MI-FGSM', () => {
  // divided by their L1 norms: (0.75, 0.25), (-0.5, 0.5)
  const gradients = [at(3, 1), at(-50, 50)];

  it('follows the sum of the gradients, each divided by its L1 norm', async () => {
    expect(await pathOf(gradients, 1)).toEqual([
      [0.1, 0.1],
      [0.2, 0.2],
    ]);
  });

  it('forgets as its decay says', async () => {
    // 0.5 * 0.75 - 0.5 < 0
    expect(await pathOf(gradients, 0.5)).toEqual([
      [0.1, 0.1],
      [0, 0.2],
    ]);
  });

  it('is not led astray by a gradient of nothing', async () => {
    expect(await pathOf([at(3, 1), at(0, 0)], 1)).toEqual([
      [0.1, 0.1],
      [0.2, 0.2],
    ]);
  });

  it('is FGSM when it takes one step of eps', async () => {
    const shape = { channels: 3, height: 8, width: 8 };
    const oracle = await oracleOf(smallClassifier(stream(51, 'mi-fgsm'), shape, 5), shape);
    const batch = drawnBatch(51, 4, shape, 5);
    const draws = drawsOf(1, 'mi-fgsm');
    const once = { steps: 1, stepSize: 1, decay: 1 };
    const found = await toEnd(attackOf('mi-fgsm').run(oracle, batch, threat, once, draws));
    expect(found).toEqual(await toEnd(attackOf('fgsm').run(oracle, batch, threat, {}, draws)));
    await oracle.close();
  });
});
