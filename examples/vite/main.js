// Put two files into the folder `public`: classifier.onnx, and images.json with { images, labels }: pixels in 0..1, image
// after image, and the class of each.
import { audit, openClassifier } from 'sparring';

const output = document.querySelector('output');
const stop = new AbortController();
document.querySelector('button').addEventListener('click', () => stop.abort());

const percent = (part) => `${(100 * part).toFixed(1)} %`;

try {
  const { images, labels } = await (await fetch('images.json')).json();
  const classifier = await openClassifier('classifier.onnx');
  const { clean, attacks } = await audit(
    classifier,
    { images: Float32Array.from(images), labels },
    {
      eps: 0.1,
      attacks: ['pgd'],
      curve: [],
      signal: stop.signal,
      onProgress: ({ title, done, total }) => {
        if (total) output.value = `${title}: ${done} of ${total} images`;
      },
    },
  );
  output.value = `Accuracy ${percent(clean.accuracy)}, under PGD ${percent(attacks.pgd.accuracy)}`;
  await classifier.close();
} catch (error) {
  output.value = error.message;
}
