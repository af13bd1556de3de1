// node robust-accuracy.js CLASSIFIER.onnx
import { evaluate, openClassifier } from 'sparring';
import { loadDataset } from 'sparring/runtime';

const { test } = await loadDataset('mnist');
const { image, label } = await test.read(Array.from({ length: 200 }, (_, i) => i));
const classifier = await openClassifier(process.argv[2]);
const { attacks, checks } = await evaluate(
  classifier,
  { images: image.data, labels: label.data },
  { eps: 0.16, attacks: ['pgd'] },
);
console.log(`robust accuracy under PGD: ${(100 * attacks.pgd.accuracy).toFixed(1)} %`);
for (const { message } of checks) console.warn(message);
await classifier.close();
