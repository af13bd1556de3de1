import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync, unlinkSync } from 'node:fs';
import { open, readFile, realpath, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { InputError } from '../errors.ts';
import { describeFsError } from '../files.ts';

/** A run folder that no other process may write. */
export interface RunLock {
  /** Gives the folder free. A process that ends gives it free, too. */
  release(): Promise<void>;
}

/** The file in a run folder that says who writes it. */
export const lockName = 'run.lock';

/** How often the holder renews its lock, and how old a lock of another machine must be to be left behind. */
const heartbeatMs = 15_000;
const staleMs = 120_000;

const Claim = z.object({
  id: z.string(),
  pid: z.int(),
  /** When the process started, as its system counts; null where it is not known. Tells it from a later one of its number. */
  started: z.string().nullable(),
  /** Which processes `pid` counts: those of a host, since it started, in a container. */
  host: z.string(),
  boot: z.string(),
  /** The folder, so that a copy of it is not locked by the lock that came with it. */
  folder: z.string(),
  since: z.string(),
});
type Claim = Readonly<z.infer<typeof Claim>>;

/**
 * Locks a run folder for this process. A lock that a killed process left behind is taken over: on one machine it shows
 * by the process, on another one by a lock that has not been renewed for two minutes. No library does this without
 * either a native module or a wait of seconds after a kill.
 *
 * @param folder exists.
 * @throws InputError when another process works on the run; Error in one line when the folder cannot be written.
 */
export async function lockRun(folder: string): Promise<RunLock> {
  const path = join(folder, lockName);
  const claim = await newClaim(folder);
  while (!(await create(path, JSON.stringify(claim)))) {
    const found = await readClaim(path);
    if (found && (await isHeld(found, claim))) {
      const where = found.claim.host === claim.host ? '' : ` on ${found.claim.host}`;
      throw new InputError(
        `run folder ${folder} is in use by process ${found.claim.pid}${where} since ${found.claim.since}; wait for its end, or stop it`,
      );
    }
    await removeStale(path, found?.claim.id);
  }
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, heartbeatMs).unref();
  const atExit = (): void => {
    if (Claim.safeParse(parsed(readText(path) ?? '')).data?.id !== claim.id) return;
    try {
      unlinkSync(path);
    } catch {
      // it is found stale
    }
  };
  process.on('exit', atExit);
  return {
    async release() {
      clearInterval(timer);
      process.off('exit', atExit);
      const now = await readClaim(path);
      if (now?.claim.id === claim.id) await rm(path, { force: true }).catch(() => {});
    },
  };
}

async function newClaim(folder: string): Promise<Claim> {
  return {
    id: randomUUID(),
    pid: process.pid,
    started: startOf(process.pid),
    host: hostname(),
    boot: [readText('/proc/sys/kernel/random/boot_id')?.trim(), readNamespace()].join(' '),
    folder: await realpath(folder),
    since: new Date().toISOString(),
  };
}

/** False when there is one already. */
async function create(path: string, text: string): Promise<boolean> {
  let made = false;
  try {
    const file = await open(path, 'wx');
    made = true;
    await file.writeFile(text).finally(() => file.close());
    return true;
  } catch (error) {
    if (made) await rm(path, { force: true }).catch(() => {});
    else if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new Error(describeFsError(error, `cannot write ${path}`), { cause: error });
  }
}

interface Found {
  readonly claim: Claim;
  /** Milliseconds since it was renewed. */
  readonly age: number;
}

/** The lock as it is; null when it is gone, or nobody can have written it. */
async function readClaim(path: string): Promise<Found | null> {
  for (let i = 0; i < 20; i++) {
    const text = await readFile(path, 'utf8').catch(() => null);
    if (text === null) return null;
    const claim = Claim.safeParse(parsed(text));
    const changed = await stat(path).catch(() => null);
    if (claim.success && changed) return { claim: claim.data, age: Date.now() - changed.mtimeMs };
    // another process has made the file and not yet filled it
    await sleep(50);
  }
  return null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Whether the process that made a lock is still there. */
async function isHeld({ claim, age }: Found, own: Claim): Promise<boolean> {
  if (claim.host !== own.host || claim.boot !== own.boot) return age < staleMs;
  if (claim.folder !== own.folder || !isAlive(claim.pid)) return false;
  const started = startOf(claim.pid);
  return started !== null && claim.started !== null ? started === claim.started : age < staleMs;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Removes the lock with this id. One process at a time may, so that none removes the lock of the one before it. */
async function removeStale(path: string, id: string | undefined): Promise<void> {
  const guard = `${path}.takeover`;
  if (!(await create(guard, ''))) {
    const made = await stat(guard).catch(() => null);
    if (made && Date.now() - made.mtimeMs > heartbeatMs) await rm(guard, { force: true });
    else await sleep(50);
    return;
  }
  try {
    const now = await readClaim(path);
    if (now?.claim.id === id) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

/** Clock ticks from the machine's start to the process's; null where the system does not say. */
function startOf(pid: number): string | null {
  const stat = readText(`/proc/${pid}/stat`);
  return stat === null ? null : (stat.slice(stat.lastIndexOf(')')).split(' ')[20] ?? null);
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return null;
  }
}

function readNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}
