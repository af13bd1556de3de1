// Checks emitted models with the official ONNX checker and its strict shape inference.
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from '@commander-js/extra-typings';
import { z } from 'zod';
import type { Target } from '../src/builder/index.ts';
import { committedPrograms } from '../src/models/programs.ts';
import { emit } from './emit.ts';
import { runPython } from './python.ts';

/** Beside plain ONNX, which graphs/ is in. */
const targets: readonly Target[] = ['cpu', 'webgpu'];

/** A model to check, and how it is called in the report. */
interface Model {
  readonly label: string;
  readonly path: string;
}

/** The `.onnx` files at or under a path. */
async function modelsAt(path: string, label = path): Promise<readonly Model[]> {
  if (!(await stat(path)).isDirectory()) return [{ label, path }];
  const files = await readdir(path, { recursive: true });
  return files
    .filter((file) => file.endsWith('.onnx'))
    .toSorted()
    .map((file) => ({ label: join(label, file), path: join(path, file) }));
}

/** The committed programs in the forms in which they are run. */
async function emitLowered(folder: string): Promise<readonly Model[]> {
  const programs = Object.entries(committedPrograms());
  const lowered = targets.flatMap((target) => programs.map(([name, program]) => ({ target, name, program })));
  return Promise.all(
    lowered.map(async ({ target, name, program }) => {
      const path = join(folder, `${name}-${target}.onnx`);
      await writeFile(path, emit(program, target));
      return { label: `${name} lowered for ${target}`, path };
    }),
  );
}

const command = new Command('check-onnx')
  .description(
    'Checks graphs/, the same programs as lowered for devices, and the models given, with onnx.checker.',
  )
  .argument('[paths...]', 'more .onnx files, or run folders')
  .option('--python <path>', 'an interpreter that has the package onnx', 'python3')
  .parse();

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'check-onnx-'));
  try {
    const graphs = fileURLToPath(new URL('../graphs', import.meta.url));
    const models = [
      ...(await modelsAt(graphs, 'graphs')),
      ...(await emitLowered(folder)),
      ...(await Promise.all(command.processedArgs[0].map((path) => modelsAt(path)))).flat(),
    ];
    const answer = await runPython(
      command.opts().python,
      'check_onnx.py',
      models.map(({ path }) => path),
    );
    const faults = z.array(z.string().nullable()).length(models.length).parse(answer);
    models.forEach(({ label }, i) => {
      const fault = faults[i];
      console.log(fault ? `FAIL  ${label}: ${fault.replaceAll(/\s+/g, ' ')}` : `ok    ${label}`);
    });
    process.exitCode = faults.every((fault) => fault === null) ? 0 : 1;
  } finally {
    await rm(folder, { recursive: true });
  }
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
