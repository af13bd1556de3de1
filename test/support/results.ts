import { defenceDefaults, type Defence } from '../../src/models/adversarial.ts';
import type { Mode } from '../../src/runtime/index.ts';

/** What made-up results are to look like; accuracies are of C1 and C2 after the last epoch. */
export interface MadeUp {
  readonly mode: Mode;
  readonly eps: number;
  readonly c1: number;
  readonly c2: number;
  readonly seed?: number;
  /** Of mode `hardened` alone, the same for all cells of a result. */
  readonly defence?: Defence;
}

/** Numbers as the paper's text has them, for tests of what is made of numbers: nobody measured these. */
export const asInThePaper: readonly MadeUp[] = [
  { mode: 'consecutive', eps: 0.01, c1: 0.985, c2: 0.988 },
  { mode: 'consecutive', eps: 0.02, c1: 0.98, c2: 0.987 },
  { mode: 'consecutive', eps: 0.04, c1: 0.8, c2: 0.975 },
  { mode: 'consecutive', eps: 0.08, c1: 0.2, c2: 0.9 },
  { mode: 'consecutive', eps: 0.16, c1: 0.12, c2: 0.5 },
  { mode: 'consecutive', eps: 0.32, c1: 0.1, c2: 0.3 },
  { mode: 'consecutive', eps: 0.64, c1: 0.1, c2: 0.12 },
  { mode: 'alternating', eps: 0.01, c1: 0.99, c2: 0.99 },
  { mode: 'alternating', eps: 0.02, c1: 0.99, c2: 0.985 },
  { mode: 'alternating', eps: 0.04, c1: 0.98, c2: 0.97 },
  { mode: 'alternating', eps: 0.08, c1: 0.7, c2: 0.9 },
  { mode: 'alternating', eps: 0.16, c1: 0.3, c2: 0.55 },
  { mode: 'alternating', eps: 0.32, c1: 0.15, c2: 0.3 },
  { mode: 'alternating', eps: 0.64, c1: 0.1, c2: 0.1 },
];

const distinct = <T>(values: readonly T[]): readonly T[] => [...new Set(values)];

const clean = { accuracy: 0.99, loss: 0.04 };
const noise = { accuracy: 0.989, loss: 0.045 };

/** The curve of an attacker that has most of its success at the beginning. */
function scores(last: number, epoch: number, epochs: number) {
  const progress = 1 - (1 - epoch / epochs) ** 4;
  const accuracy = clean.accuracy - (clean.accuracy - last) * progress;
  return { clean, noise, attacked: { accuracy, loss: 0.04 + 8 * (1 - accuracy) ** 2 } };
}

/**
 * The hashes of a cell's models. Consecutive cells share their classifiers; an alternately trained C1 and its C2 are their
 * own.
 */
export function modelsOf({ mode, eps, defence }: Pick<MadeUp, 'mode' | 'eps' | 'defence'>) {
  const own = mode === 'consecutive' ? '' : String(eps).slice(2);
  const letter = { fast: 'f', pgd: 'd', trades: 'e' } as const;
  return {
    c1: `${defence ? letter[defence] : ''}${own}`.padEnd(64, 'a'),
    c2: own.padEnd(64, 'b'),
    attacker: `${mode === 'consecutive' ? '' : 'a'}${String(eps).slice(2)}`.padEnd(64, 'c'),
  };
}

/** The text of a `result.json` with these cells. */
export function resultJson(
  cells: readonly MadeUp[],
  {
    epochs = 20,
    clip = false,
    testLimit = null,
    source = 'mnist',
  }: { epochs?: number; clip?: boolean; testLimit?: number | null; source?: string } = {},
): string {
  const method = cells.find(({ defence }) => defence)?.defence;
  return JSON.stringify({
    schema: 1,
    config: {
      schema: 1,
      modes: distinct(cells.map(({ mode }) => mode)),
      eps: distinct(cells.map(({ eps }) => eps)),
      seeds: distinct(cells.map(({ seed = 1 }) => seed)),
      bound: 'tanh',
      clip,
      shard: null,
      batchSize: 100,
      classifierEpochs: { consecutive: 20, alternating: 5, hardened: 20 },
      ...(method && { defence: { method, epochs: 4, ...defenceDefaults[method] } }),
      attackerEpochs: epochs,
      learningRate: 0.001,
      trainLimit: null,
      testLimit,
      data: { source, sha256: '0'.repeat(64) },
      device: 'cpu',
      threads: 2,
    },
    environment: {
      device: 'cpu',
      threads: 2,
      onnxruntime: '1.29.0',
      node: '20.20.2',
      platform: 'linux-x64',
      cpu: 'a processor',
      sparring: '0.1.0',
      commit: 'f'.repeat(40),
      seconds: 60,
    },
    runs: cells.map(({ mode, eps, c1, c2, seed = 1, defence }) => {
      const at = (epoch: number) => ({ c1: scores(c1, epoch, epochs), c2: scores(c2, epoch, epochs) });
      return {
        mode,
        eps,
        bound: 'tanh',
        clip,
        seed,
        folder: `${mode}-eps${eps}-seed${seed}`,
        models: modelsOf({ mode, eps, ...(defence && { defence }) }),
        epochs: [
          { phase: 'classifier', epoch: 1, train: {}, c1: { clean, noise }, c2: { clean, noise } },
          ...Array.from({ length: epochs }, (_, i) => ({
            phase: 'attacker',
            epoch: i + 1,
            train: {},
            ...at(i + 1),
          })),
        ],
        final: at(epochs),
      };
    }),
  });
}
