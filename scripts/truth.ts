// Attacks classifiers of which the truth is known, and says what the attacks find and miss of it.
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import { z } from 'zod';
import { openClassifier, type OpenClassifier } from '../src/index.ts';
import type { AuditPlan } from '../src/runtime/audit/plan.ts';
import { presets } from '../src/runtime/audit/presets.ts';
import { runAudit, type Measured } from '../src/runtime/audit/run-audit.ts';
import { attackOf, toEnd, type Configured } from '../src/runtime/attacks/index.ts';
import { count, eps as epsOf } from '../src/cli/options.ts';
import {
  encodeSafetensors,
  limit,
  loadDigits,
  type StoredSource,
  type Tensor,
} from '../src/runtime/index.ts';
import { runPython } from './python.ts';

const command = new Command('truth')
  .description(
    'Attacks WK17a (exact verdicts for 500 MNIST images at 0.1) or the classifier of Wong et al. 2020 (0.3), and prints ' +
      'what is left after each attack; of WK17a, also which images are missed.',
  )
  .argument('<classifier>', 'wk17a or wong_fgsm')
  .option('--folder <path>', 'where the classifiers and their verdicts are', '../shared/truth')
  .option('--preset <name>', Object.keys(presets).join(', '), 'standard')
  .option('--only <list>', 'some attacks of the preset, by name')
  .option('--images <n>', 'first test images of MNIST', count, 500)
  .option('--from <n>', 'begins at this image', Number, 0)
  .option('--eps <size>', 'another than the published one', epsOf)
  .option('--batch <n>', 'images at a time', count, 100)
  .option('--threads <n>', 'threads of ONNX Runtime', count, 2)
  .option(
    '--python <path>',
    "an interpreter that has pyautoattack: runs AutoAttack's own code (and torchattacks') on the same images too",
  )
  .option('--smallest', 'WK17a: attacks each image at 1.02 and at 0.99 of the smallest eps that fools it')
  .option('--seed <n>', 'of the random numbers', Number, 1)
  .parse();

interface Verdict {
  readonly truth: string;
  /** No smaller eps fools the classifier on this image; null where that is not known. */
  readonly smallest: number | null;
}

/** Image number -> verdict, of `wk17a.csv`. */
async function verdicts(folder: string): Promise<ReadonlyMap<number, Verdict>> {
  const lines = (await readFile(join(folder, 'wk17a.csv'), 'utf8')).trim().split('\n').slice(1);
  return new Map(
    lines.map((line) => {
      const [image, truth, , bound] = line.split(',');
      return [Number(image), { truth: truth!, smallest: bound ? Number(bound) : null }] as const;
    }),
  );
}

/** Each attack on what those before it have left. */
const planOf = (attacks: readonly Configured[], eps: number, seed: number, blockSize: number): AuditPlan => ({
  threat: { norm: 'linf', eps, range: [0, 1], goal: 'untargeted' },
  attacks: attacks.map((configured, i) => ({
    name: `${i + 1} ${attackOf(configured.attack).title(configured.settings as never)}`,
    configured,
    given: 'left',
    most: null,
  })),
  curve: null,
  seed,
  blockSize,
});

/** Attacks each image just above and just below the smallest eps that fools it. */
async function aroundSmallest(
  classifier: OpenClassifier,
  test: StoredSource,
  truth: ReadonlyMap<number, Verdict>,
  attacks: readonly Configured[],
  seed: number,
): Promise<void> {
  for (const [image, { smallest }] of truth) {
    if (smallest === null) continue;
    const source = { ...test, count: 1, read: () => test.read([image]) };
    const by: (string | null)[] = [];
    for (const part of [1.02, 0.99]) {
      const plan = planOf(attacks, part * smallest, seed, 1);
      const found = (await toEnd(runAudit(classifier, source, plan))).adversarial.get(0);
      by.push(found ? `broken by ${found.attack}` : null);
    }
    console.log(
      `image ${image}, smallest ${smallest}: at 1.02 ${by[0] ?? 'MISSED'}, at 0.99 ${by[1] ?? 'right'}`,
    );
    if (by[0] === null || by[1] !== null) process.exitCode = 1;
  }
}

const Rows = z.array(
  z.strictObject({
    code: z.string(),
    attack: z.string(),
    right: z.array(z.int()),
    seconds: z.number(),
  }),
);

/** The code of others on the same images, and which images they and we break alone. */
async function besides(
  python: string,
  path: string,
  images: { readonly image: Tensor; readonly label: Tensor },
  { eps, seed, threads, only }: { eps: number; seed: number; threads: number; only: string | undefined },
  { left, seconds: own }: { readonly left: Uint8Array; readonly seconds: number },
): Promise<void> {
  const theirs: Readonly<Record<string, string>> = { apgd: 'apgd-ce', fab: 'fab-t' };
  const attacks = only ? only.split(',').map((name) => theirs[name] ?? name) : ['standard'];
  const temporary = await mkdtemp(join(tmpdir(), 'truth-'));
  try {
    const file = join(temporary, 'case.safetensors');
    const options = { eps: `${eps}`, seed: `${seed}`, threads: `${threads}`, attacks: attacks.join() };
    await writeFile(file, encodeSafetensors(new Map(Object.entries(images)), options));
    const rows = Rows.parse(await runPython(python, 'autoattack.py', [path, file]));
    for (const { code, attack, right, seconds } of rows) {
      console.log(`${code}: ${attack} leaves ${right.filter((one) => one === 1).length}, ${seconds} s`);
    }
    for (const code of new Set(rows.slice(1).map((row) => row.code))) {
      const theirs = rows.filter((row) => row.code === code);
      const seconds = theirs.reduce((sum, row) => sum + row.seconds, 0);
      const last = theirs.at(-1)!.right;
      const alone = (ours: number): string =>
        [...left.keys()].filter((i) => left[i] === ours && last[i] === 1 - ours).join(', ') || 'none';
      console.log(
        `beside ${code}: we alone break ${alone(0)}; they alone break ${alone(1)}; ` +
          `${own.toFixed(1)} s for their ${seconds.toFixed(1)} s, ${(own / seconds).toFixed(2)} times`,
      );
    }
  } finally {
    await rm(temporary, { recursive: true });
  }
}

async function main(): Promise<void> {
  const [name] = command.processedArgs;
  const {
    folder,
    preset,
    only,
    images,
    from,
    eps: other,
    batch,
    threads,
    seed,
    python,
    smallest,
  } = command.opts();
  const path = join(folder, `${name}.onnx`);
  if (!existsSync(path)) {
    console.log(`skipped: there is no ${path}`);
    return;
  }
  const classifier = await openClassifier(path, { threads });
  const attacks = (presets[preset as keyof typeof presets] as readonly Configured[]).filter(
    ({ attack }) => !only || only.split(',').includes(attack),
  );
  const test = limit((await loadDigits('mnist')).test, from + images);
  if (smallest) {
    await aroundSmallest(classifier, (await loadDigits('mnist')).test, await verdicts(folder), attacks, seed);
    await classifier.close();
    return;
  }
  const eps = other ?? (name === 'wk17a' ? 0.1 : 0.3);
  const source = {
    ...test,
    count: images,
    read: (places: ArrayLike<number>) => test.read(Array.from(places, (place) => from + place)),
  };
  const work = runAudit(classifier, source, planOf(attacks, eps, seed, batch));
  let started = performance.now();
  let measured: Measured;
  for (;;) {
    const next = await work.next();
    if (next.done) {
      measured = next.value;
      break;
    }
    const event = next.value;
    if (event.kind === 'progress') {
      process.stderr.write(`\r${event.title} ${event.done}/${event.total} `);
      continue;
    }
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const share = ((100 * event.right) / images).toFixed(2);
    console.log(`\r${event.title.padEnd(45)} leaves ${event.right} (${share} %), ${seconds} s`);
    started = performance.now();
  }
  await classifier.close();
  if (python) {
    const all = await source.read([...Array(images).keys()]);
    const left = measured.right.map((right, i) => (right === 1 && !measured.adversarial.has(i) ? 1 : 0));
    const seconds = measured.outcomes.reduce((sum, outcome) => sum + outcome.seconds, 0);
    const given = { image: all.image, label: all.label };
    await besides(python, path, given, { eps, seed, threads, only }, { left, seconds });
  }
  if (name !== 'wk17a' || eps !== 0.1) return;
  const truth = await verdicts(folder);
  const missed: number[] = [];
  const impossible: number[] = [];
  measured.right.forEach((right, i) => {
    const isBroken = right === 0 || measured.adversarial.has(i);
    const verdict = truth.get(from + i);
    if (!isBroken && verdict !== undefined && verdict.truth !== 'robust') missed.push(from + i);
    if (isBroken && verdict?.truth === 'robust') impossible.push(from + i);
  });
  console.log(
    `missed: ${missed.join(', ') || 'none'}; found where there are none: ${impossible.join(', ') || 'none'}`,
  );
  process.exitCode = impossible.length > 0 ? 1 : 0;
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
