// node robust-accuracy.js CLASSIFIER.onnx
import { evaluate, openClassifier } from 'sparring';
import { limit, loadDataset } from 'sparring/runtime';

const { images, labels } = limit((await loadDataset('mnist')).test, 200);
const pixels = Float32Array.from(images, (byte) => byte / 255);
const classifier = await openClassifier(process.argv[2]);
const { attacks, checks } = await evaluate(
  classifier,
  { images: pixels, labels },
  { eps: 0.16, attacks: ['pgd'] },
);
console.log(`robust accuracy under PGD: ${(100 * attacks.pgd.accuracy).toFixed(1)} %`);
for (const { message } of checks) console.warn(message);
await classifier.close();
