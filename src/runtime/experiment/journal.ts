import { createHash } from 'node:crypto';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { describeFsError, writeAtomic } from '../files.ts';

/** The parts of an evaluation that are finished, so that an interrupted one resumes from them. */
export interface Journal {
  /** What was kept of a part; undefined when nothing was, or not in this form. */
  find<T>(part: string, schema: z.ZodType<T>): T | undefined;
  /** Keeps a finished part, as JSON. Never fails: the evaluation can do without. */
  keep(part: string, value: unknown): Promise<void>;
  /** How many parts are kept. */
  readonly count: () => number;
  /** Why parts are no longer kept, in one line; undefined while they are. */
  readonly failure: () => string | undefined;
  /** Removes the file, when all of the evaluation is written. */
  remove(): Promise<void>;
}

/** A journal that keeps nothing. */
export const noJournal: Journal = {
  find: () => undefined,
  keep: () => Promise.resolve(),
  count: () => 0,
  failure: () => undefined,
  remove: () => Promise.resolve(),
};

/** What the journal has of a part; else the part is worked off, and kept. */
export async function* kept<P, T>(
  journal: Journal,
  part: string,
  schema: z.ZodType<T>,
  work: () => AsyncGenerator<P, T>,
): AsyncGenerator<P, T> {
  const before = journal.find(part, schema);
  if (before !== undefined) return before;
  const value = yield* work();
  await journal.keep(part, value);
  return value;
}

/**
 * Where the finished parts of an evaluation lie until all of it is there. Evaluations with other settings have other
 * files, so that none takes over another's parts.
 *
 * @param settings all that decides the numbers.
 */
export function journalPath(folder: string, settings: unknown): string {
  const hash = createHash('sha256').update(JSON.stringify(settings)).digest('hex');
  return join(folder, `evaluation.partial-${hash.slice(0, 16)}.jsonl`);
}

/**
 * Opens the journal at `path`, which is made with the first part that is kept. A last line that a kill cut off is left
 * out, and so is any line that is not of a journal.
 */
export async function openJournal(path: string): Promise<Journal> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const lines = text.split('\n').flatMap((line) => parseLine(line) ?? []);
  const parts = new Map(lines.map(({ part, value }) => [part, value]));
  let failure: string | undefined;
  const trying = async (work: () => Promise<void>): Promise<void> => {
    if (failure !== undefined) return;
    await work().catch((error: unknown) => {
      failure = describeFsError(error, `cannot write ${path}`);
    });
  };
  // a line added after one that was cut off would be lost with it
  if (text !== '' && !text.endsWith('\n')) {
    const whole = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    await trying(() => writeAtomic(path, whole));
  }
  return {
    find(part, schema) {
      const found = schema.safeParse(parts.get(part));
      return found.success ? found.data : undefined;
    },
    keep: (part, value) =>
      trying(async () => {
        const file = await open(path, 'a');
        try {
          await file.writeFile(`${JSON.stringify({ part, value })}\n`);
          await file.sync();
        } finally {
          await file.close();
        }
        parts.set(part, value);
      }),
    count: () => parts.size,
    failure: () => failure,
    remove: () => rm(path, { force: true }),
  };
}

function parseLine(line: string): { readonly part: string; readonly value: unknown } | null {
  try {
    const json = JSON.parse(line) as { readonly part?: unknown; readonly value?: unknown } | null;
    return typeof json?.part === 'string' ? { part: json.part, value: json.value } : null;
  } catch {
    return null;
  }
}
