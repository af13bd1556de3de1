import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stream } from '../../src/runtime/random.ts';
import { loadCatalogue, serve, type Serving } from '../../src/server/index.ts';
import { hangUp, malformed } from '../support/malformed.ts';
import { digitPng, digits, plainServer, untrainedRun } from '../support/server.ts';

/** How many are sent: `SPARRING_MALFORMED=5000` sends as many as the project promises to stand. */
const count = Number(process.env['SPARRING_MALFORMED'] ?? 1000);
const seed = Number(process.env['SPARRING_SEED'] ?? 1);

let folder: string;
let server: Serving;
const errors: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-malformed-'));
  await untrainedRun(folder, [{ eps: 0.16, clip: true }]);
  server = await serve({
    catalogue: await loadCatalogue(folder),
    ...plainServer,
    timeout: 60_000,
    requestTimeout: 4000,
    limits: { images: 64, body: 2 * 1024 * 1024 },
    log: pino({ level: 'error' }, { write: (line: string) => errors.push(line) }),
  });
}, 120_000);
afterAll(async () => {
  hangUp();
  await server.drain();
  await rm(folder, { recursive: true });
});

const good = async (): Promise<number> => {
  const body = digitPng(digits(1)) as BodyInit;
  const headers = { 'content-type': 'image/png' };
  return (await fetch(`http://127.0.0.1:${server.port}/attack`, { method: 'POST', headers, body })).status;
};

describe('malformed requests', () => {
  it(`of ${count}, drawn with seed ${seed}, none is answered 5xx but 503, and the next good one is answered`, async () => {
    const random = stream(seed, 'malformed');
    const [pid] = server.pool.pids();
    const statuses: Record<string, number> = {};
    const wrong: string[] = [];
    for (let done = 0; done < count;) {
      const some = Array.from({ length: Math.min(25, count - done) }, () => malformed(random));
      await Promise.all(
        some.map(async ({ what, send }) => {
          const status = await send(server.port);
          statuses[String(status)] = (statuses[String(status)] ?? 0) + 1;
          if (status !== null && status >= 500 && status !== 503) wrong.push(`${what}: ${status}`);
        }),
      );
      done += some.length;
      const status = await good();
      if (status !== 200) wrong.push(`a good request after ${done}: ${status}`);
    }
    expect({ wrong, errors }).toEqual({ wrong: [], errors: [] });
    // nearly all were refused, by many rules
    expect(statuses['200'] ?? 0).toBeLessThan(count / 10);
    expect(Object.keys(statuses)).toEqual(expect.arrayContaining(['400', '404', '413', '415', '422']));
    // and no worker was lost on them
    expect(server.pool.pids()).toEqual([pid]);
  }, 600_000);
});
