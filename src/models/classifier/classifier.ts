import type { Graph } from '../../builder/index.ts';
import type { Missing, ModelDescription } from '../../onnx/index.ts';
import type { ImageSize } from './images.ts';
import type { Fit } from './pictures.ts';
import type { Ports } from './plans.ts';

/** An image classifier of any size, as its file was understood. */
export interface ClassifierFile {
  readonly image: ImageSize;
  readonly classes: number;
  /** The name of each class; null where nothing names them. */
  readonly labels: readonly string[] | null;
  /** How pictures of any size become images; null where nothing says it. */
  readonly pictures: Fit | null;
  /** How the file is given images, and what its answers are. */
  readonly ports: Ports;
  readonly origin: Origin;
  /** Null where the file holds what the builder cannot read: it can still be asked for its answers. */
  readonly graph: Graph | null;
  /** All that stands in the way of a gradient, in one line; null where nothing does. */
  readonly noGradient: string | null;
  /** The operators at which the gradient ends, where it is zero by construction; null otherwise. */
  readonly gradientEnds: readonly string[] | null;
}

/** A classifier whose graph could be read. */
export interface Classifier extends ClassifierFile {
  /**
   * `image` float32 [batch,channels,height,width] in 0..1, RGB -> `logits` [batch,classes]. What the file wants of its
   * input (layout, scale, mean and std) are nodes inside. A softmax at the end of the file is left out.
   */
  readonly graph: Graph;
  /** The only batch that the graph takes; null for any. */
  readonly batch: number | null;
}

/** Where a classifier comes from, and what was understood of it. */
export interface Origin {
  /** What its file says. */
  readonly file: ModelDescription;
  readonly facts: readonly Fact[];
  /** Where the graph does not compute in the types of the file, a line each. */
  readonly notes: readonly string[];
  /** How far our logits may be from the file's, in parts of the largest. */
  readonly tolerance: number;
  /** Nodes that stand in the way of a graph; empty where there is one. */
  readonly missing: readonly Missing[];
}

/** What was found out or assumed, in one line. */
export interface Fact {
  readonly about: 'input' | 'layout' | 'preprocessing' | 'pictures' | 'batch' | 'output' | 'labels';
  readonly text: string;
}
