import { describe, expect, it } from 'vitest';
import { audit, labelledBy, openClassifier, openImages, type OpenClassifier } from '../../src/index.ts';
import { stream } from '../../src/runtime/random.ts';
import { fileOf, linearClassifier, pixels } from '../support/classifiers.ts';
import { inputFailure } from '../support/failure.ts';
import { temporaryFolder } from '../support/folder.ts';
import { writePictures } from '../support/pictures.ts';

const folder = temporaryFolder();
const options = { eps: 8 / 255, attacks: ['fgsm'], curve: [] } as const;

async function withClassifier(use: (classifier: OpenClassifier) => Promise<void>): Promise<void> {
  const { normal } = stream(1, 'weights');
  const file = fileOf(linearClassifier(Array.from({ length: 3 * pixels }, normal), 3));
  const classifier = await openClassifier(file, { threads: 1 });
  try {
    await use(classifier);
  } finally {
    await classifier.close();
  }
}

describe('a folder of pictures', () => {
  it('is measured like the same images in memory', async () => {
    await writePictures(folder(), { perClass: 4 });
    await withClassifier(async (classifier) => {
      const images = await openImages(folder(), { shape: classifier.image, classes: classifier.classes });
      const { image, label } = await images.read(Array.from({ length: 12 }, (_, i) => i));
      const inMemory = { images: image.data as Float32Array, labels: label.data as Int32Array };
      const [measured, same] = [
        await audit(classifier, images, options),
        await audit(classifier, inMemory, options),
      ];
      const names = images.classes.map((name, label) => ({ label, name, images: 4 }));
      expect(measured.byClass).toMatchObject(names);
      for (const figure of ['clean', 'attacks', 'worst', 'adversarial'] as const) {
        expect(measured[figure]).toEqual(same[figure]);
      }
      expect(measured.images).toBe(12);
    });
  });

  it('without labels is measured by agreement with the answer to each picture as it is', async () => {
    await writePictures(folder(), { perClass: 4 });
    await withClassifier(async (classifier) => {
      const images = await openImages(`${folder()}/circle`, { shape: classifier.image });
      expect(await inputFailure(audit(classifier, images, options))).toBe(
        "circle: has no labels; take the classifier's own answers with labelledBy",
      );
      const { clean, attacks } = await audit(classifier, await labelledBy(images, classifier), options);
      expect(clean.accuracy).toBe(1);
      expect(attacks['fgsm']!.accuracy).toBeLessThan(1);
    });
  });
});
