import { lower, type Target } from '../../builder/index.ts';
import { encode } from '../../onnx/index.ts';
import type { Classifier } from './classifier.ts';
import { classifierGradient } from './gradient.ts';
import type { LossName } from './losses.ts';

/** Where a gradient file says what it is, in the metadata of the model. */
export const gradientMetadata = 'sparring.gradient';

/** What stands under {@link gradientMetadata}, as JSON. */
export interface GradientMetadata {
  readonly schema: 1;
  readonly loss: LossName;
  /** SHA-256, in hexadecimal, of the classifier's file. */
  readonly classifier: string;
  readonly labels: readonly string[] | null;
  /** What was understood or assumed of the classifier's file. */
  readonly understood: readonly string[];
}

/**
 * The gradient of a classifier as an ONNX file that says of itself what it is: `image`, `label` -> `logits`, `loss`,
 * `gradient`.
 *
 * @param target `cpu` for Node, Python and WASM, `webgpu` for WebGPU. Both are made of ONNX's own operators.
 */
export function classifierGradientFile(
  { graph, labels, origin: { facts, notes } }: Classifier,
  { loss, target, sha256 }: { readonly loss: LossName; readonly target: Target; readonly sha256: string },
): Uint8Array {
  const metadata: GradientMetadata = {
    schema: 1,
    loss,
    classifier: sha256,
    labels,
    understood: [...facts.map(({ text }) => text), ...notes],
  };
  return encode(lower(classifierGradient(graph, loss), target), {
    [gradientMetadata]: JSON.stringify(metadata),
  });
}
