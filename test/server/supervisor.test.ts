import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import {
  supervise,
  TaskFailed,
  type Supervisor,
  type SupervisorOptions,
} from '../../src/server/supervisor.ts';
import type { EchoTask } from '../support/echo-worker.ts';
import { execArgv } from '../support/server.ts';

const filename = fileURLToPath(new URL('../support/echo-worker.ts', import.meta.url));
/** The machine may be busy with much else: in milliseconds. */
const patience = { timeout: 60_000, interval: 20 };
const never = new AbortController().signal;

const open: Supervisor<EchoTask, string>[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

function supervised(options: Partial<SupervisorOptions<EchoTask>> = {}) {
  const ends: string[] = [];
  const supervisor = supervise<EchoTask, string>({
    filename,
    count: 1,
    env: process.env,
    execArgv,
    probe: { say: 'probe' },
    beatInterval: 200,
    probeInterval: 1000,
    patience: () => 4,
    onEnd: (error) => ends.push(error.message),
    ...options,
  });
  open.push(supervisor);
  return { ...supervisor, ends };
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('a supervisor', () => {
  it('shares tasks between its processes', async () => {
    const { started, run, pids } = supervised({ count: 2 });
    await started;
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => run({ say: `${i}`, wait: 20 }, never)),
    );
    expect(answers.map((answer) => answer.split(' ')[0])).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
    expect(new Set(answers.map((answer) => Number(answer.split(' ')[1])))).toEqual(new Set(pids()));
  });

  it('replaces a process that dies at a task, whose caller is told', async () => {
    const { started, run, pids, ends } = supervised();
    await started;
    const [first] = pids();
    await expect(run({ say: 'x', die: true }, never)).rejects.toThrow('ended with status 7');
    const answer = await run({ say: 'y' }, never);
    expect(answer).not.toBe(`y ${first}`);
    expect(ends).toEqual([`worker ${first} ended with status 7`]);
  });

  it('gives tasks that a dead process had not begun to the next one', async () => {
    const { started, run } = supervised();
    await started;
    const lost = run({ say: 'x', die: true }, never);
    const kept = run({ say: 'y' }, never);
    await expect(lost).rejects.toThrow('ended with status 7');
    expect(await kept).toMatch(/^y \d+$/);
  });

  it('replaces a process that is killed while it starts, again and again', async () => {
    const { started, run, pids, ready } = supervised();
    await started;
    for (let i = 0; i < 3; i++) {
      await expect.poll(() => pids().length, patience).toBe(1);
      process.kill(pids()[0]!, 'SIGKILL');
      await expect.poll(() => ready(), patience).toBe(0);
    }
    expect(await run({ say: 'y' }, never)).toMatch(/^y \d+$/);
    expect(ready()).toBe(1);
  });

  it('notices an idle process that hangs, does not count it, and replaces it', async () => {
    const { started, pids, ready, ends } = supervised();
    await started;
    const [hung] = pids();
    process.kill(hung!, 'SIGSTOP');
    await expect.poll(() => ready(), patience).toBe(0);
    await expect.poll(() => ready() === 1 && pids()[0] !== hung, patience).toBe(true);
    expect(ends[0]).toMatch(new RegExp(`^worker ${hung} answered no heartbeat for`));
    expect(isAlive(hung!)).toBe(false);
  });

  it('ends and replaces a process whose task takes too long', async () => {
    const { started, run, pids } = supervised();
    await started;
    const [slow] = pids();
    await expect(run({ say: 'x', wait: 60_000 }, AbortSignal.timeout(300))).rejects.toThrow('too long');
    expect(await run({ say: 'y' }, never)).toMatch(/^y \d+$/);
    expect(pids()).not.toContain(slow);
  });

  it('keeps a process that says why it cannot do a task', async () => {
    const { started, run, pids } = supervised();
    await started;
    const before = pids();
    await expect(run({ say: 'x', failWhile: filename }, never)).rejects.toThrow(TaskFailed);
    expect(await run({ say: 'y' }, never)).toBe(`y ${before[0]}`);
  });

  it('rejects tasks at once while no process can do its probe, and comes back when one can', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sparring-supervisor-'));
    const fault = join(folder, 'fault');
    const { started, run, ready } = supervised({ probe: { say: 'probe', failWhile: fault } });
    await started;
    await writeFile(fault, '');
    // a probe of the idle process finds out
    await expect.poll(() => ready(), patience).toBe(0);
    await expect
      .poll(() => run({ say: 'x' }, never).catch((error: Error) => error.name), patience)
      .toBe('TaskFailed');
    await rm(folder, { recursive: true });
    await expect.poll(() => ready(), patience).toBe(1);
    expect(await run({ say: 'y' }, never)).toMatch(/^y \d+$/);
  });

  it('does not start with a process that cannot do its probe', async () => {
    const { started } = supervised({ probe: { say: 'probe', failWhile: filename } });
    await expect(started).rejects.toThrow('is there');
  });

  it('does not start with a module that there is not', async () => {
    const { started, ends } = supervised({ filename: join(tmpdir(), 'no-such-worker.mjs'), execArgv: [] });
    await expect(started).rejects.toThrow('ended with status 1');
    expect(ends.length).toBeGreaterThanOrEqual(3);
  });

  it('leaves no process behind when it is closed, not even a stopped one', async () => {
    const { started, pids, close } = supervised({ count: 2 });
    await started;
    const all = pids();
    process.kill(all[0]!, 'SIGSTOP');
    await close();
    expect(all.map(isAlive)).toEqual([false, false]);
  });
});
