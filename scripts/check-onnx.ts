// Checks emitted models with the official ONNX checker and its strict shape inference.
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from '@commander-js/extra-typings';
import { z } from 'zod';
import { committedPrograms } from '../src/models/programs.ts';
import { emit } from './emit.ts';
import { runPython } from './python.ts';

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

/** The committed programs as they are run on the CPU. */
async function emitForCpu(folder: string): Promise<readonly Model[]> {
  const programs = Object.entries(committedPrograms());
  return Promise.all(
    programs.map(async ([name, program]) => {
      const path = join(folder, `${name}.onnx`);
      await writeFile(path, emit(program, 'cpu'));
      return { label: `${name} lowered for cpu`, path };
    }),
  );
}

const command = new Command('check-onnx')
  .description(
    'Checks graphs/, the same programs lowered for the CPU, and the models given, with onnx.checker.',
  )
  .argument('[paths...]', 'more .onnx files, or run folders')
  .option('--python <path>', 'an interpreter that has the package onnx', 'python3')
  .parse();

const folder = await mkdtemp(join(tmpdir(), 'check-onnx-'));
try {
  const graphs = fileURLToPath(new URL('../graphs', import.meta.url));
  const models = [
    ...(await modelsAt(graphs, 'graphs')),
    ...(await emitForCpu(folder)),
    ...(await Promise.all(command.processedArgs[0].map((path) => modelsAt(path)))).flat(),
  ];
  const answer = await runPython(
    command.opts().python,
    'check_onnx.py',
    models.map(({ path }) => path),
  );
  const faults = z.array(z.string().nullable()).length(models.length).parse(answer);
  models.forEach(({ label }, i) =>
    console.log(faults[i] === null ? `ok    ${label}` : `FAIL  ${label}: ${faults[i]}`),
  );
  process.exitCode = faults.every((fault) => fault === null) ? 0 : 1;
} finally {
  await rm(folder, { recursive: true });
}
