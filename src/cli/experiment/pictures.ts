import { basename } from 'node:path';
import { valuesOf, type StoredSource } from '../../runtime/data/source.ts';
import type { CellConfig } from '../../runtime/experiment/config.ts';
import type { TrainedModels } from '../../runtime/experiment/scores.ts';
import type { Prediction, Sample } from '../../report/kit/pictures.ts';
import { sampleHeader } from '../../report/paper/sample-header.ts';
import { modelDevice, openModel } from '../../runtime/session.ts';
import type { EpochRecord } from '../../runtime/experiment/records.ts';

/** Samples in a picture: there is room for so many. */
const columns = 10;

/** `samples.png`: the first test image of each class, what A adds to it, and C1's answers (paper, figure 2). */
export async function drawSamples(
  test: StoredSource,
  models: Pick<Required<TrainedModels>, 'c1' | 'attacker'>,
  config: CellConfig,
  scores: EpochRecord['c1'],
): Promise<Uint8Array> {
  // Only here: the canvas is a native library, which nobody should wait for who draws nothing.
  const { renderSamples } = await import('../../report/kit/pictures.ts');
  const { labels } = test.stored;
  const indices = test.classes
    .map((_, label) => labels.indexOf(label))
    .filter((index) => index >= 0)
    .slice(0, columns);
  const { image } = await test.read(indices);
  const options = { ...config, device: modelDevice(config.device) };
  const attacker = await openModel(models.attacker, options);
  const classifier = await openModel(models.c1, options);
  try {
    const { perturbation, attacked } = await attacker.run({ image });
    const before = await classifier.run({ image });
    const after = await classifier.run({ image: attacked! });
    const size = valuesOf(test.shape);
    const classes = test.classes.length;
    const part = (data: unknown, i: number, length: number): Float32Array =>
      (data as Float32Array).subarray(i * length, (i + 1) * length);
    const said = (probabilities: unknown, i: number, label: number): Prediction =>
      prediction(part(probabilities, i, classes), label, test.classes);
    const samples = indices.map((index, i): Sample => ({
      label: test.classes[labels[index]!]!,
      image: part(image.data, i, size),
      perturbation: part(perturbation!.data, i, size),
      attacked: part(attacked!.data, i, size),
      before: said(before['probabilities']!.data, i, labels[index]!),
      after: said(after['probabilities']!.data, i, labels[index]!),
    }));
    const header = sampleHeader({
      ...config,
      before: scores.clean.accuracy,
      after: scores.attacked!.accuracy,
      images: test.count,
      data: basename(config.data.source),
      shape: test.shape,
    });
    return renderSamples(samples, header);
  } finally {
    await attacker.close();
    await classifier.close();
  }
}

function prediction(probabilities: Float32Array, label: number, classes: readonly string[]): Prediction {
  const probability = Math.max(...probabilities);
  const answer = probabilities.indexOf(probability);
  return { answer: classes[answer]!, probability, right: answer === label };
}
