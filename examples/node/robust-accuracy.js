// node robust-accuracy.js CLASSIFIER.onnx
import { audit, openClassifier, openImages } from 'sparring';

const classifier = await openClassifier(process.argv[2]);
const { image: shape, classes } = classifier;
const images = await openImages('mnist', { shape, classes, count: 200, seed: 1 });
const { attacks, worst, checks } = await audit(classifier, images, { eps: 0.16 });
console.log(`accuracy under PGD: ${(100 * attacks.pgd.accuracy).toFixed(1)} %`);
console.log(`robust accuracy: ${(100 * worst.accuracy).toFixed(1)} %`);
for (const { title, whatToDo } of checks) console.warn(`${title}; ${whatToDo}`);
await classifier.close();
