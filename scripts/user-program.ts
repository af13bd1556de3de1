/** What a program of a user imports; it must have no error, in this package's declarations neither. */
export const userProgram = `
  import { attack, audit, harden, loadDataset, openClassifier, openImages } from 'sparring';
  import { grad, input, reduceSum, type Graph } from 'sparring/builder';
  import { decode, encode } from 'sparring/onnx';
  import { openModel } from 'sparring/runtime';
  const classifier = await openClassifier('model.onnx', { threads: 1 });
  const { image: shape, classes, pictures } = classifier;
  const images = await openImages('photos', { shape, classes, pictures });
  const { worst } = await audit(classifier, images, { eps: 8 / 255, attacks: ['fgsm'] });
  const x = input('x', 'float32', ['n', 3]);
  const [dx] = grad(reduceSum(x), [x]);
  const graph: Graph = decode(encode({ name: 'g', inputs: [x], outputs: { dx: dx! } })).graph;
  export const all = { attack, harden, loadDataset, openModel, graph, accuracy: worst.accuracy };`;
