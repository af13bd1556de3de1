import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import writeFileAtomic from 'write-file-atomic';

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the device; free some or choose another folder',
  EDQUOT: 'the disk quota is used up; free some space or choose another folder',
  EFBIG: 'the file is larger than this system allows; raise the limit or choose another folder',
  EROFS: 'the file system is read-only; choose another folder',
  EACCES: 'permission denied; change the permissions or choose another folder',
  EPERM: 'the system does not permit it; change the permissions or choose another folder',
  ENOENT: 'no such file or folder; check the path',
  EEXIST: 'it exists already; remove it or choose another name',
  ENOTDIR: 'a part of the path is a file, not a folder; check the path',
  EISDIR: 'it is a folder, not a file; check the path',
  EOPNOTSUPP: 'the file system does not support it; choose another folder',
  ENOTSUP: 'the file system does not support it; choose another folder',
  ENOSYS: 'the file system does not support it; choose another folder',
};

/**
 * What went wrong with a file, in one line: `cannot write runs/a/result.json: no space left on the device; ...`.
 *
 * @param error what a function of node:fs threw, or anything else, whose message's first line is then taken.
 * @param what what was tried, with the path, such as `cannot write runs/a/result.json`.
 */
export function describeFsError(error: unknown, what: string): string {
  const reason = REASONS[errorCode(error) ?? ''];
  const message = error instanceof Error ? error.message : String(error);
  return `${what}: ${reason ?? message.split('\n', 1)[0]}`;
}

/**
 * Writes a file so that a reader, or a run that starts after a crash, finds either the old content or all of the
 * new: into a temporary file beside it, flushed to the disk, then renamed. Writes to one path wait for each other.
 *
 * @param path in a folder that exists.
 * @param data a string is written as UTF-8.
 * @throws Error with the line of {@link describeFsError}, and the system's error as its cause; the old content is
 *   then still there, and no temporary file.
 */
export async function writeAtomic(
  path: string,
  data: string | Uint8Array | AsyncIterable<Uint8Array>,
): Promise<void> {
  try {
    // write-file-atomic takes the first, possibly partial, write for the whole one, as when the disk gets full on
    // the way: so the data goes in through its hook, and it has nothing left to write.
    await writeFileAtomic(path, '', { tmpfileCreated: (temporary) => writeFile(temporary, data) });
  } catch (error) {
    throw new Error(describeFsError(error, `cannot write ${path}`), { cause: error });
  }
}

/**
 * Removes the temporary files that writes of `path` left beside it because their process was killed: each is as large
 * as the file. To be called when nobody writes `path`; does nothing where the folder is missing.
 */
export async function removeTemporaries(path: string): Promise<void> {
  const listing = await readdir(dirname(path)).catch(() => []);
  const left = listing.filter((name) => name.replace(/\.\d+$/, '.') === `${basename(path)}.`);
  for (const name of left) await rm(join(dirname(path), name), { force: true });
}

/**
 * Makes `link` a relative symbolic link to `target`, in one step where it is a link already.
 *
 * @param target the file or folder to point to; relative to the working folder, as is `link`.
 * @throws Error in one line, as {@link writeAtomic} does, when `link` is a real folder, its folder is missing, or the
 *   file system has no links.
 */
export async function linkLatest(target: string, link: string): Promise<void> {
  const temporary = `${link}.${randomUUID()}`;
  try {
    await symlink(relative(dirname(link), target), temporary);
    await rename(temporary, link);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new Error(describeFsError(error, `cannot link ${link} to ${target}`), { cause: error });
  }
}

/**
 * Makes a folder and its parents, where they are missing. Throws one line that names it.
 *
 * One by one: with `recursive`, Node tries for ever where the system says ENOENT although the parent exists, as in /proc.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeOneByOne(path);
  } catch (error) {
    throw new Error(describeFsError(error, `cannot make the folder ${path}`), { cause: error });
  }
}

async function makeOneByOne(path: string, ifFile: 'EEXIST' | 'ENOTDIR' = 'EEXIST'): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory()) return;
  if (found) throw Object.assign(new Error(`${path} is a file`), { code: ifFile });
  const parent = dirname(path);
  if (parent !== path) await makeOneByOne(parent, 'ENOTDIR');
  await mkdir(path).catch(async (error: unknown) => {
    // another process may have made it in between
    if (errorCode(error) === 'EEXIST' && (await stat(path)).isDirectory()) return;
    throw error;
  });
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}
