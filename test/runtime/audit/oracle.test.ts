import { describe, expect, it } from 'vitest';
import { classifierGradientModel } from '../../../src/models/classifier/gradient.ts';
import type { LossName } from '../../../src/runtime/attacks/index.ts';
import { openOracle } from '../../../src/runtime/audit/oracle.ts';
import { stream } from '../../../src/runtime/random.ts';
import { fileOf } from '../../support/classifiers.ts';
import { drawnBatch, perfectAttacker, smallClassifier } from '../../support/oracles.ts';

const image = { channels: 3, height: 8, width: 8 };
const classifier = smallClassifier(stream(41, 'oracle'), image, 5);
const files = { classifier: fileOf(classifier), image, classes: 5 };
const options = { device: 'cpu', threads: 1 } as const;
const batch = drawnBatch(41, 4, image, 5);

describe('an oracle over sessions', () => {
  it('makes the program of a loss once, when it is first asked for', async () => {
    const made: LossName[] = [];
    const gradient = (loss: LossName): Uint8Array => {
      made.push(loss);
      return classifierGradientModel(classifier, 'cpu', loss);
    };
    const oracle = await openOracle({ ...files, gradient }, options);
    expect(made).toEqual([]);
    const both = await Promise.all([oracle.gradient!(batch, 'gap'), oracle.gradient!(batch, 'gap')]);
    await oracle.gradient!(batch, 'dlr-targeted');
    expect(made).toEqual(['gap', 'dlr-targeted']);
    expect(both[0]).toEqual(both[1]);
    await oracle.close();
  });

  it('asks for a program of the usual number of images, and for one of any other number', async () => {
    const made: (number | undefined)[] = [];
    const gradient = (loss: LossName, images?: number): Uint8Array => {
      made.push(images);
      return classifierGradientModel(classifier, 'cpu', loss, images);
    };
    const oracle = await openOracle({ ...files, gradient, batchSize: 4 }, options);
    const usual = await oracle.gradient!(batch, 'gap');
    const few = drawnBatch(41, 3, image, 5);
    expect((await oracle.gradient!(few, 'gap')).gradient.shape).toEqual([3, 3, 8, 8]);
    await oracle.gradient!(drawnBatch(42, 2, image, 5), 'gap');
    await oracle.gradient!(batch, 'gap');
    expect(made).toEqual([4, undefined]);
    const open = await openOracle({ ...files, gradient }, options);
    const scale = Math.max(...usual.gradient.data.map(Math.abs));
    const any = await open.gradient!(batch, 'gap');
    expect(any.gradient.data).toBeAllClose(usual.gradient.data, { atol: 1e-5 * scale });
    await Promise.all([oracle.close(), open.close()]);
  });

  it('counts what it is asked, in images', async () => {
    const gradient = (loss: LossName) => classifierGradientModel(classifier, 'cpu', loss);
    const oracle = await openOracle({ ...files, gradient }, options);
    const { logits } = await oracle.gradient!(batch, 'ce');
    expect((await oracle.logits(batch.images)).data).toBeAllClose(logits.data, { atol: 1e-5 });
    await oracle.logits(batch.images);
    expect(oracle.queries()).toEqual({ forward: 8, backward: 4 });
    await oracle.close();
  });

  it('has gradients and a trained attacker only where they are given', async () => {
    const oracle = await openOracle(files, options);
    expect([oracle.gradient, oracle.generator]).toEqual([undefined, undefined]);
    await oracle.close();
    const generator = { attacker: perfectAttacker(classifier, 0.25), eps: 0.25 };
    const armed = await openOracle({ ...files, generator }, options);
    const { data, shape } = await armed.generator!.perturbation(batch.images, 0.25, null);
    expect([Math.max(...data), Math.min(...data), shape]).toEqual([0.25, -0.25, batch.images.shape]);
    await armed.close();
  });

  it('rejects a trained attacker that is no model', async () => {
    const generator = { attacker: new Uint8Array([1, 2, 3]), eps: 0.1 };
    await expect(openOracle({ ...files, generator }, options)).rejects.toThrow('protobuf');
  });
});
