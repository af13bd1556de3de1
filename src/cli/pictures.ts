import { basename } from 'node:path';
import { batchAt } from '../runtime/data/batches.ts';
import type { CellConfig } from '../runtime/experiment/config.ts';
import type { Split } from '../runtime/data/dataset.ts';
import type { Contestants } from '../runtime/experiment/scores.ts';
import type { Prediction, Sample } from '../report/kit/pictures.ts';
import { modelDevice, openModel } from '../runtime/session.ts';
import type { EpochRecord } from '../runtime/experiment/records.ts';

/** `samples.png`: the first test image of each class, what A adds to it, and C1's answers (paper, figure 2). */
export async function drawSamples(
  test: Split,
  models: Pick<Required<Contestants>, 'c1' | 'attacker'>,
  config: CellConfig,
  scores: EpochRecord['c1'],
): Promise<Uint8Array> {
  // Only here: the canvas is a native library, which nobody should wait for who draws nothing.
  const { renderSamples } = await import('../report/kit/pictures.ts');
  const classes = Array.from({ length: test.classes }, (_, digit) => digit);
  const indices = classes.map((digit) => test.labels.indexOf(digit)).filter((index) => index >= 0);
  const { image } = batchAt(test, indices);
  const options = { ...config, device: modelDevice(config.device) };
  const attacker = await openModel(models.attacker, options);
  const classifier = await openModel(models.c1, options);
  try {
    const { perturbation, attacked } = await attacker.run({ image });
    const before = await classifier.run({ image });
    const after = await classifier.run({ image: attacked! });
    const size = test.height * test.width;
    const part = (data: unknown, i: number, length: number): Float32Array =>
      (data as Float32Array).subarray(i * length, (i + 1) * length);
    const samples = indices.map((index, i): Sample => ({
      label: test.labels[index]!,
      image: part(image.data, i, size),
      perturbation: part(perturbation!.data, i, size),
      attacked: part(attacked!.data, i, size),
      before: prediction(part(before['probabilities']!.data, i, test.classes)),
      after: prediction(part(after['probabilities']!.data, i, test.classes)),
    }));
    return renderSamples(samples, {
      ...config,
      before: scores.clean.accuracy,
      after: scores.attacked!.accuracy,
      images: test.count,
      data: basename(config.data.source),
    });
  } finally {
    await attacker.close();
    await classifier.close();
  }
}

function prediction(probabilities: Float32Array): Prediction {
  const probability = Math.max(...probabilities);
  return { digit: probabilities.indexOf(probability), probability };
}
