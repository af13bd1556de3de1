import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeFsError, linkLatest, makeFolder, writeAtomic } from '../../src/runtime/files.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-files-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function failure(promise: Promise<unknown>): Promise<Error> {
  return await promise.then(
    () => expect.fail('it did not fail'),
    (error: Error) => error,
  );
}

describe('writeAtomic', () => {
  it('writes bytes and text, and leaves no other file', async () => {
    const bytes = Uint8Array.from({ length: 3_000_000 }, (_, index) => index % 251);
    await writeAtomic(join(folder, 'bytes'), bytes.subarray(1));
    await writeAtomic(join(folder, 'text'), 'naïve\n');
    await writeAtomic(join(folder, 'empty'), '');
    expect((await readFile(join(folder, 'bytes'))).equals(bytes.subarray(1))).toBe(true);
    expect(await readFile(join(folder, 'text'), 'utf8')).toBe('naïve\n');
    expect(await readFile(join(folder, 'empty'), 'utf8')).toBe('');
    expect(await readdir(folder)).toEqual(['bytes', 'empty', 'text']);
  });

  it('replaces a longer file as a whole', async () => {
    const path = join(folder, 'result.json');
    await writeAtomic(path, 'a long first text');
    await writeAtomic(path, 'short');
    expect(await readFile(path, 'utf8')).toBe('short');
  });

  it('does writes to one path one after the other', async () => {
    const path = join(folder, 'result.json');
    await Promise.all(['one', 'two', 'three'].map((text) => writeAtomic(path, text)));
    expect(await readFile(path, 'utf8')).toBe('three');
    expect(await readdir(folder)).toEqual(['result.json']);
  });

  it('says in one line that the folder is missing', async () => {
    const path = join(folder, 'missing', 'result.json');
    const error = await failure(writeAtomic(path, 'x'));
    expect(error.message).toBe(`cannot write ${path}: no such file or folder; check the path`);
    expect(error.cause).toMatchObject({ code: 'ENOENT' });
  });

  it('says in one line that a part of the path is a file', async () => {
    await writeFile(join(folder, 'file'), 'kept');
    const path = join(folder, 'file', 'result.json');
    const error = await failure(writeAtomic(path, 'x'));
    expect(error.message).toBe(
      `cannot write ${path}: a part of the path is a file, not a folder; check the path`,
    );
    expect(await readFile(join(folder, 'file'), 'utf8')).toBe('kept');
  });

  it('leaves no temporary file where a folder has the name already', async () => {
    const path = join(folder, 'result');
    await mkdir(path);
    const error = await failure(writeAtomic(path, 'x'));
    expect(error.message).toBe(`cannot write ${path}: it is a folder, not a file; check the path`);
    expect(await readdir(folder)).toEqual(['result']);
  });

  // A limit on the size of files cuts a write short just as a disk does that gets full on the way.
  it.skipIf(process.platform === 'win32')(
    'keeps the old file, and no other, when a write is cut short',
    async () => {
      const path = join(folder, 'result');
      await writeFile(path, 'old');
      const files = fileURLToPath(new URL('../../src/runtime/files.ts', import.meta.url));
      const script = `
        process.on('SIGXFSZ', () => {}); // or write-file-atomic ends the process when the limit is met
        import { writeAtomic } from ${JSON.stringify(files)};
        await writeAtomic(${JSON.stringify(path)}, Buffer.alloc(1e6)).catch(({ message }) => console.log(message));
      `;
      const { stdout } = await promisify(execFile)('sh', [
        '-c',
        'ulimit -f 200; exec "$@"',
        'sh',
        process.execPath,
        '--import',
        'tsx',
        '--input-type=module',
        '--eval',
        script,
      ]);
      expect(stdout).toBe(
        `cannot write ${path}: the file is larger than this system allows; raise the limit or choose another folder\n`,
      );
      expect(await readFile(path, 'utf8')).toBe('old');
      expect(await readdir(folder)).toEqual(['result']);
    },
  );
});

describe.skipIf(process.platform === 'win32')('linkLatest', () => {
  it('makes a relative link, so that the folder above can be moved', async () => {
    await mkdir(join(folder, 'first'));
    await linkLatest(join(folder, 'first'), join(folder, 'latest'));
    expect(await readlink(join(folder, 'latest'))).toBe('first');
  });

  it('replaces a link, also one whose target is gone', async () => {
    const latest = join(folder, 'latest');
    await linkLatest(join(folder, 'gone'), latest);
    await mkdir(join(folder, 'second'));
    await writeFile(join(folder, 'second', 'note'), 'here');
    await linkLatest(join(folder, 'second'), latest);
    expect(await readFile(join(latest, 'note'), 'utf8')).toBe('here');
    expect(await readdir(folder)).toEqual(['latest', 'second']);
  });

  it('does not touch a real folder of that name', async () => {
    const latest = join(folder, 'latest');
    await mkdir(latest);
    const error = await failure(linkLatest(join(folder, 'first'), latest));
    expect(error.message).toBe(
      `cannot link ${latest} to ${join(folder, 'first')}: it is a folder, not a file; check the path`,
    );
    expect(await readdir(folder)).toEqual(['latest']);
  });

  it('says in one line that its folder is missing', async () => {
    const latest = join(folder, 'missing', 'latest');
    const error = await failure(linkLatest(join(folder, 'first'), latest));
    expect(error.message).toBe(
      `cannot link ${latest} to ${join(folder, 'first')}: no such file or folder; check the path`,
    );
  });
});

describe('makeFolder', () => {
  it('makes a folder and those above it, and leaves one that is there', async () => {
    const path = join(folder, 'a', 'b', 'c');
    await makeFolder(path);
    await writeFile(join(path, 'kept'), '');
    await makeFolder(`${path}/`);
    expect(await readdir(path)).toEqual(['kept']);
  });

  it('may be called by many at once', async () => {
    await Promise.all(Array.from({ length: 20 }, (_, i) => makeFolder(join(folder, 'x', 'y', `${i}`))));
    expect(await readdir(join(folder, 'x', 'y'))).toHaveLength(20);
  });

  it('says in one line that a part of the path is a file', async () => {
    await writeFile(join(folder, 'file'), '');
    const path = join(folder, 'file', 'a', 'b');
    expect((await failure(makeFolder(path))).message).toBe(
      `cannot make the folder ${path}: a part of the path is a file, not a folder; check the path`,
    );
  });

  it.skipIf(process.platform !== 'linux')(
    'ends where the system says that an existing folder is missing',
    async () => {
      expect((await failure(makeFolder('/proc/no/such'))).message).toBe(
        'cannot make the folder /proc/no/such: no such file or folder; check the path',
      );
    },
  );
});

describe('describeFsError', () => {
  it.skipIf(!existsSync('/dev/full'))('explains a full disk', async () => {
    const error = await failure(writeFile('/dev/full', 'x'));
    expect(describeFsError(error, 'cannot write a.json')).toBe(
      'cannot write a.json: no space left on the device; free some or choose another folder',
    );
  });

  it.each([
    ['EROFS', 'the file system is read-only; choose another folder'],
    ['EACCES', 'permission denied; change the permissions or choose another folder'],
    ['EPERM', 'the system does not permit it; change the permissions or choose another folder'],
    ['EEXIST', 'it exists already; remove it or choose another name'],
  ])('explains %s', (code, reason) => {
    expect(describeFsError(Object.assign(new Error('x'), { code }), 'cannot write a')).toBe(
      `cannot write a: ${reason}`,
    );
  });

  it('takes the first line of any other error', () => {
    expect(describeFsError(new Error('one\ntwo'), 'cannot write a')).toBe('cannot write a: one');
    expect(describeFsError('thrown text', 'cannot write a')).toBe('cannot write a: thrown text');
  });
});
