import { inputName, showType, type Graph } from '../../builder/index.ts';
import { decode } from '../../onnx/index.ts';
import { adopt, logitsName, portsOf } from './adopt.ts';

/** An image classifier of any size, as all programs here use one. */
export interface Classifier {
  /** `image` float32 [batch,channels,height,width] in 0..1 -> `logits` [batch,classes]. */
  readonly graph: Graph;
  readonly image: { readonly channels: number; readonly height: number; readonly width: number };
  readonly classes: number;
  /** What its file calls the input and the output. */
  readonly ports: { readonly image: string; readonly logits: string };
}

/**
 * Reads a classifier from an ONNX file: one input [batch,channels,height,width], and an output [batch,classes] that is
 * called `logits` or is the only one. The sizes come from the graph.
 *
 * @throws Error in one line when the file is no such classifier.
 */
export function classifierOf(bytes: Uint8Array): Classifier {
  const file = decode(bytes).graph;
  const graph = adopt(file);
  const [input] = graph.inputs;
  const [, channels, height, width] = input!.shape;
  if (
    input!.shape.length !== 4 ||
    typeof channels !== 'number' ||
    typeof height !== 'number' ||
    typeof width !== 'number'
  ) {
    throw new Error(
      `${graph.name}: its input is ${showType(input!)}, must be [batch,channels,height,width] with numbers for all but ` +
        'the batch; export it again with a fixed image size',
    );
  }
  const { logits } = portsOf(graph);
  return {
    graph,
    image: { channels, height, width },
    classes: logits.shape[1] as number,
    ports: { image: inputName(file.inputs[0]!), logits: logitsName(file) },
  };
}
