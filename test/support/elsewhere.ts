import * as b from '../../src/builder/index.ts';
import { encodeGraph, modelProto } from '../../src/onnx/encode.ts';
import { DataType, encodeModel, type Message } from '../../src/onnx/proto.ts';
import { fileOf } from './classifiers.ts';

/** A graph as the file of another tool: read as theirs are, and not as our own. `more` is merged into it. */
export function elsewhere(graph: b.Graph, more: Message<'Model'> = {}): Uint8Array {
  // a later value of a field takes the place of an earlier one
  return joinedBytes([fileOf(graph), encodeModel({ producerName: 'another tool', ...more })]);
}

export function joinedBytes(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((n, { length }) => n + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** A classifier around another one: `before` makes its images of the input, `after` makes the output of its logits. */
export function around(
  classifier: b.Graph,
  input: b.Value,
  before: (x: b.Value) => b.Value = (x) => x,
  after: (logits: b.Value) => Readonly<Record<string, b.Value>> = (scores) => ({ scores }),
): b.Graph {
  const [own] = classifier.inputs;
  const image = before(input);
  const { logits } = b.rewrite(
    classifier,
    () => null,
    (value) => (value.source === own!.source ? image : value),
  ).outputs;
  return { name: 'wrapped', inputs: [input], outputs: after(logits!) };
}

/** A graph as a model and the file that its weights lie in, as torch's exporter writes them. */
export function splitWeights(
  graph: b.Graph,
  location: string,
): readonly [model: Uint8Array, data: Uint8Array] {
  const inside = encodeGraph(b.lower(graph, 'plain'));
  const parts: Uint8Array[] = [];
  let offset = 0;
  const initializer = inside.initializer!.map((tensor): Message<'Tensor'> => {
    const { name, dataType, dims, rawData } = tensor;
    // ONNX Runtime wants shapes in the model
    if (dataType !== DataType.FLOAT) return tensor;
    const entries = { location, offset: String(offset), length: String(rawData!.length) };
    parts.push(rawData!);
    offset += rawData!.length;
    const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
    return { name, dataType, dims, externalData, dataLocation: 1 };
  });
  const model = { ...modelProto({ ...inside, initializer }), producerName: 'another tool' };
  return [encodeModel(model), joinedBytes(parts)];
}
