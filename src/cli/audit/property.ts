import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { findCounterexample } from '../../api/counterexample.ts';
import { node } from '../../api/node.ts';
import { counterexample } from '../../runtime/audit/vnnlib.ts';
import { InputError } from '../../runtime/errors.ts';
import { describeFsError } from '../../runtime/files.ts';
import { defaultThreads } from '../options.ts';

/** How long a counterexample is looked for when nobody says. */
const usualSeconds = 60;

/**
 * `sat` and a counterexample in the form of the verifiers' competition, or `unknown`, as text.
 *
 * @param file a property in VNN-LIB, packed where its name ends in `.gz`.
 * @throws InputError in one line when it, or the model, cannot be read or searched.
 */
export async function answerProperty(
  model: string,
  file: string,
  flags: { readonly seed: number; readonly threads?: number; readonly timeLimit?: number },
): Promise<string> {
  const found = await findCounterexample(
    node,
    model,
    { name: file, text: await textOf(file) },
    {
      device: 'cpu',
      threads: flags.threads ?? defaultThreads,
      seed: flags.seed,
      seconds: flags.timeLimit ?? usualSeconds,
    },
  );
  return found ? `sat\n${counterexample(found.input, found.output)}` : 'unknown';
}

async function textOf(file: string): Promise<string> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw new InputError(describeFsError(error, `cannot read ${file}`));
  });
  if (!file.endsWith('.gz')) return bytes.toString();
  const unpacked = await promisify(gunzip)(bytes).catch(() => {
    throw new InputError(`${file} is no gzip file, or not whole; restore it`);
  });
  return unpacked.toString();
}
