import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Environment, RunConfig } from '../runtime/index.ts';

const root = new URL('../../', import.meta.url);

interface Manifest {
  readonly version: string;
  /** The commit that a copy outside of a checkout was built from, where whoever built it wrote that down. */
  readonly gitHead?: string;
}

const readManifest = (file: string | URL): Manifest => JSON.parse(readFileSync(file, 'utf8')) as Manifest;
const own = readManifest(new URL('package.json', root));

/** The version of this package. */
export const version: string = own.version;

/** What a run stood on: versions, machine, commit of the checkout when there is one. */
export async function environment(
  config: Pick<RunConfig, 'device' | 'threads'>,
): Promise<Omit<Environment, 'seconds'>> {
  return {
    device: config.device,
    threads: config.threads,
    onnxruntime: readManifest(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'))
      .version,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    sparring: version,
    commit: await commit(),
  };
}

/** The checkout's commit, with `+changes` when files differ from it; null where it is not known. */
export async function commit(): Promise<string | null> {
  if (!existsSync(new URL('.git', root))) return own.gitHead ?? null;
  const git = (...args: string[]) => promisify(execFile)('git', args, { cwd: fileURLToPath(root) });
  try {
    const { stdout } = await git('rev-parse', 'HEAD');
    const status = await git('status', '--porcelain', '--untracked-files=no');
    return stdout.trim() + (status.stdout.trim() === '' ? '' : '+changes');
  } catch {
    return null;
  }
}
