import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { encodeSafetensors, type Tensor } from '../../src/runtime/index.ts';
import { runPython } from '../python.ts';
import type { Case } from './classifiers.ts';

const Rows = z.array(
  z.strictObject({
    code: z.string(),
    attack: z.string(),
    right: z.array(z.int()),
    seconds: z.number(),
    processor: z.number(),
  }),
);

interface Time {
  readonly seconds: number;
  /** In seconds, of all threads. Other programs disturb it less. */
  readonly processor: number;
}

/** What was attacked, and how. */
export interface Beside {
  readonly python: string;
  readonly of: Pick<Case, 'path' | 'open'>;
  readonly images: { readonly image: Tensor; readonly label: Tensor };
  /** The number of the first image. */
  readonly from: number;
  readonly eps: number;
  readonly seed: number;
  readonly threads: number;
  /** Some attacks of the preset; undefined for all. */
  readonly only: string | undefined;
  /** What our attacks left, 1 or 0, and how long they took: by the clock, and of the processor's time. */
  readonly ours: { readonly left: Uint8Array } & Time;
}

/** Prints what the code of others does on the same images, and which images they and we break alone. */
export async function beside(given: Beside): Promise<void> {
  const { python, of, images, from, eps, seed, threads, only, ours } = given;
  const theirs: Readonly<Record<string, string>> = { apgd: 'apgd-ce', fab: 'fab-t' };
  const attacks = only ? only.split(',').map((name) => theirs[name] ?? name) : ['standard'];
  const temporary = await mkdtemp(join(tmpdir(), 'truth-'));
  try {
    const file = join(temporary, 'case.safetensors');
    const { mean, std } = of.open;
    const options = {
      eps: `${eps}`,
      seed: `${seed}`,
      threads: `${threads}`,
      attacks: attacks.join(),
      ...(mean && { mean: JSON.stringify(mean) }),
      ...(std && { std: JSON.stringify(std) }),
    };
    await writeFile(file, encodeSafetensors(new Map(Object.entries(images)), options));
    const rows = Rows.parse(await runPython(python, 'autoattack.py', [of.path, file]));
    for (const { code, attack, right, seconds, processor } of rows) {
      const left = right.filter((one) => one === 1).length;
      console.log(`${code}: ${attack} leaves ${left}, ${seconds} s, ${processor} s of the processor`);
    }
    for (const code of new Set(rows.slice(1).map((row) => row.code))) {
      const own = rows.filter((row) => row.code === code);
      const took = (clock: keyof Time): string => {
        const theirs = own.reduce((sum, row) => sum + row[clock], 0);
        return `${ours[clock].toFixed(1)} s for their ${theirs.toFixed(1)} s, ${(ours[clock] / theirs).toFixed(2)} times`;
      };
      const last = own.at(-1)!.right;
      const alone = (left: number): string =>
        [...ours.left.keys()]
          .filter((i) => ours.left[i] === left && last[i] === 1 - left)
          .map((i) => from + i)
          .join(', ') || 'none';
      console.log(
        `beside ${code}: we alone break ${alone(0)}; they alone break ${alone(1)}; ` +
          `${took('seconds')}; of the processor's time ${took('processor')}`,
      );
    }
  } finally {
    await rm(temporary, { recursive: true });
  }
}
