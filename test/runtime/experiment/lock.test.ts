import { spawn, type ChildProcess } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../../../src/runtime/errors.ts';
import { lockName, lockRun } from '../../../src/runtime/experiment/lock.ts';

let folder: string;
const children: ChildProcess[] = [];
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'sparring-lock-')), 'run');
  await mkdir(folder);
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(join(folder, '..'), { recursive: true });
});

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const source = new URL('../../../src/runtime/experiment/lock.ts', import.meta.url).href;

/** What a process of its own says of its try to lock the folder: `locked`, after which it stays, or why not. */
function tryToLock(): Promise<{ readonly said: string; readonly child: ChildProcess }> {
  const program = `
    import { lockRun } from ${JSON.stringify(source)};
    try {
      await lockRun(${JSON.stringify(folder)});
      console.log('locked');
      setInterval(() => {}, 1000);
    } catch (error) {
      console.log(error.message);
    }`;
  const child = spawn(process.execPath, ['--import', tsx, '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => reject(new Error('it said nothing')));
    child.stdout.setEncoding('utf8').on('data', (said: string) => resolve({ said: said.trim(), child }));
  });
}

const killed = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.on('exit', () => resolve());
    child.kill('SIGKILL');
  });

describe('lockRun', () => {
  it('rejects another process at once, and leaves no file when it is released', async () => {
    const lock = await lockRun(folder);
    const { said } = await tryToLock();
    expect(said).toMatch(
      new RegExp(
        `^run folder .*/run is in use by process ${process.pid} since .*; wait for its end, or stop it$`,
      ),
    );
    await lock.release();
    expect(await readdir(folder)).toEqual([]);
    expect((await tryToLock()).said).toBe('locked');
  });

  it('rejects the process itself a second time, with an InputError', async () => {
    const lock = await lockRun(folder);
    await expect(lockRun(folder)).rejects.toThrow(InputError);
    await lock.release();
  });

  it('takes over the lock of a process that was killed, at once', async () => {
    const { child } = await tryToLock();
    await killed(child);
    expect(await readdir(folder)).toEqual([lockName]);
    const lock = await lockRun(folder);
    await lock.release();
    expect(await readdir(folder)).toEqual([]);
  });

  it('lets one of many have it, of a folder with a killed process\u2019s lock', async () => {
    const { child } = await tryToLock();
    await killed(child);
    const tries = await Promise.all(Array.from({ length: 4 }, tryToLock));
    expect(tries.filter(({ said }) => said === 'locked')).toHaveLength(1);
    expect(tries.filter(({ said }) => said.includes('is in use by process'))).toHaveLength(3);
  });

  it.skipIf(process.platform !== 'linux')('tells a process from an earlier one of its number', async () => {
    const lock = await lockRun(folder);
    const path = join(folder, lockName);
    const claim = JSON.parse(await readFile(path, 'utf8')) as object;
    await lock.release();
    await writeFile(path, JSON.stringify({ ...claim, started: '1' }));
    await (await lockRun(folder)).release();
  });

  it('does not take the lock in a copy of a run for one of the copy', async () => {
    const lock = await lockRun(folder);
    const copy = join(folder, '..', 'copy');
    await cp(folder, copy, { recursive: true });
    await (await lockRun(copy)).release();
    await lock.release();
  });

  it('takes the lock of another machine to be held for two minutes after its last sign', async () => {
    const lock = await lockRun(folder);
    const path = join(folder, lockName);
    const claim = JSON.parse(await readFile(path, 'utf8')) as object;
    await lock.release();
    await writeFile(path, JSON.stringify({ ...claim, host: 'elsewhere', boot: 'other' }));
    await expect(lockRun(folder)).rejects.toThrow(` is in use by process ${process.pid} on elsewhere since `);
    const before = new Date(Date.now() - 130_000);
    await utimes(path, before, before);
    await (await lockRun(folder)).release();
  });

  it('replaces a lock that nobody can have written', async () => {
    await writeFile(join(folder, lockName), 'not JSON');
    await (await lockRun(folder)).release();
    expect(await readdir(folder)).toEqual([]);
  });

  it('says in one line that the folder is missing', async () => {
    await expect(lockRun(join(folder, 'none'))).rejects.toThrow(/no such file or (folder|directory)/);
  });
});
