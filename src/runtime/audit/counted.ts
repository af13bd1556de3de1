import { answersOnly, type Oracle } from '../attacks/index.ts';
import type { Queries } from './oracle.ts';

/** An oracle that counts what it is asked. */
export function counted(oracle: Oracle): { readonly oracle: Oracle; readonly queries: () => Queries } {
  const queries = { forward: 0, backward: 0 };
  return {
    oracle: {
      ...answersOnly(oracle),
      logits(images) {
        queries.forward += images.shape[0];
        return oracle.logits(images);
      },
      ...(oracle.gradient && {
        gradient: (batch, loss) => {
          queries.backward += batch.labels.length;
          return oracle.gradient!(batch, loss);
        },
      }),
    },
    queries: () => ({ ...queries }),
  };
}
