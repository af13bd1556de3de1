import { expect, it } from 'vitest';
import * as b from '../../../src/builder/index.ts';
import { classifierGradient } from '../../../src/models/classifier/gradient.ts';
import { givenModel } from '../../../src/models/classifier/given.ts';
import { hasGraph, readClassifier } from '../../../src/models/classifier/read.ts';
import { decode } from '../../../src/onnx/index.ts';
import { stream } from '../../../src/runtime/random.ts';
import { around, elsewhere } from '../../support/elsewhere.ts';
import { smallClassifier } from '../../support/oracles.ts';
import { between, drawn, evaluateGraph, numbers, whole } from '../../support/run.ts';

const random = stream(1, 'given');
const classifier = smallClassifier(random, { channels: 1, height: 6, width: 6 }, 4);

it.each<readonly [what: string, input: b.Value, before: (x: b.Value) => b.Value]>([
  ['takes floats', b.input('x', 'float32', ['n', 1, 6, 6]), (x) => b.div(x, 255)],
  [
    'takes bytes',
    b.input('x', 'uint8', ['n', 6, 6, 1]),
    (x) => b.div(b.cast(b.reshape(x, [0, 1, 6, 6]), 'float32'), 255),
  ],
])(
  'a classifier that %s keeps its logits and its gradient in the file of a run',
  async (_, input, before) => {
    const read = readClassifier(elsewhere(around(classifier, input, before)));
    if (!hasGraph(read)) throw new Error(read.noGradient!);
    const kept = decode(givenModel(read.graph)).graph;
    const feeds = {
      image: drawn('float32', [3, 1, 6, 6], between(random, 0, 1)),
      label: drawn('int32', [3], whole(random, 0, 3)),
    };
    const [was, is] = [
      await evaluateGraph(b.lower(classifierGradient(read.graph), 'cpu'), feeds),
      await evaluateGraph(b.lower(classifierGradient(kept), 'cpu'), feeds),
    ];
    expect(is['logits']!).toBeAllClose(was['logits']!, { atol: 1e-5 });
    expect(Math.max(...numbers(was['gradient']!))).toBeGreaterThan(0.01);
    expect(is['gradient']!).toBeAllClose(was['gradient']!, { atol: 1e-5 });
  },
);
