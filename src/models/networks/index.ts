import type { nn, Value } from '../../builder/index.ts';
import { classifier } from './paper.ts';
import { lenet5 } from './lenet5.ts';
import { mlp } from './mlp.ts';
import { resnet } from './resnet.ts';

/** A classifier: `image` [N,1,28,28] in 0..1 -> logits [N,classes], 10 unless said otherwise. */
export type Network = (scope: nn.Scope, image: Value, options?: { readonly classes?: number }) => Value;

/** The classifiers by name. Attacks that carry over from one to another say more than attacks on a twin. */
export const networks = { paper: classifier, mlp, lenet5, resnet } as const satisfies Record<string, Network>;
export type Architecture = keyof typeof networks;
