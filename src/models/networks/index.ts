import type { nn, Value } from '../../builder/index.ts';
import { classifier } from './paper.ts';
import { lenet5 } from './lenet5.ts';
import { mlp } from './mlp.ts';
import { resnet } from './resnet.ts';

/** The size of the images that a classifier takes, and how many classes it tells apart. */
export interface Sizes {
  readonly image: { readonly channels: number; readonly height: number; readonly width: number };
  readonly classes: number;
}

/** The paper's images: 28x28 pixels, grey, of ten classes. */
export const paperSizes: Sizes = { image: { channels: 1, height: 28, width: 28 }, classes: 10 };

/** A classifier: `image` [N,C,H,W] in 0..1 -> logits [N,classes], the paper's ten unless said otherwise. */
export type Network = (scope: nn.Scope, image: Value, options?: { readonly classes?: number }) => Value;

/** The classifiers by name. Attacks that carry over from one to another say more than attacks on a twin. */
export const networks = { paper: classifier, mlp, lenet5, resnet } as const satisfies Record<string, Network>;
export type Architecture = keyof typeof networks;
