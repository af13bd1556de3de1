import { copyFile, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPacer } from '../../src/server/door.ts';
import { loadCatalogue, serve, type ServeOptions, type Serving } from '../../src/server/index.ts';
import { allowedHosts, hostName } from '../../src/server/security.ts';
import { digitPng, digits, plainServer, untrainedRun } from '../support/server.ts';

const cell = 'consecutive-eps0.16-seed1';
let folder: string;
let server: Serving;
const lines: Record<string, unknown>[] = [];

const started = async (options: Partial<ServeOptions> = {}): Promise<Serving> =>
  await serve({
    catalogue: await loadCatalogue(folder),
    ...plainServer,
    timeout: 60_000,
    requestTimeout: 1500,
    limits: { images: 8, body: 400_000 },
    docsScript: join(folder, 'explorer.js'),
    log: pino({}, { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) }),
    ...options,
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-door-'));
  await untrainedRun(folder, [{ eps: 0.16, clip: true }]);
  await writeFile(join(folder, 'explorer.js'), 'export {};');
  server = await started();
}, 120_000);
afterAll(async () => {
  await server.drain();
  await rm(folder, { recursive: true });
});

const url = (path: string, { port }: Serving = server): string => `http://127.0.0.1:${port}${path}`;
const attack = async (one: Serving = server): Promise<Response> =>
  await fetch(url('/attack', one), {
    method: 'POST',
    headers: { 'content-type': 'image/png' },
    body: digitPng(digits(1)) as BodyInit,
  });

/** What comes back for these bytes until the connection ends. */
const said = (text: string, { port }: Serving = server): Promise<string> =>
  new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
    socket.on('error', () => {}).on('close', () => resolve(answer));
  });

const post = 'POST /attack HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n';

describe('what is no proper request', () => {
  it.each([
    ['two lengths', `${post}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`, 400, 'malformed-request'],
    ['a broken chunk', `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 400, 'malformed-request'],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n', 400, 'malformed-request'],
    ['another version of HTTP', 'GET / HTTP/9.9\r\nHost: localhost\r\n\r\n', 400, 'malformed-request'],
    ['no Host', 'GET /healthz HTTP/1.1\r\n\r\n', 400, 'malformed-request'],
    [
      'two Hosts',
      'GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n',
      400,
      'malformed-request',
    ],
    ['a Host that is none', 'GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n', 400, 'malformed-request'],
    [
      'an address that is none',
      'OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      400,
      'malformed-request',
    ],
    [
      'headers without end',
      `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'a'.repeat(40_000)}\r\n\r\n`,
      431,
      'headers-too-large',
    ],
    [
      'an unknown expectation',
      `${post}Expect: magic\r\nContent-Length: 1\r\n\r\n`,
      417,
      'expectation-failed',
    ],
    ['half a head', 'GET /healthz HTTP/1.1\r\nHost: loc', 408, 'timeout'],
    ['half a body', `${post}Content-Length: 99\r\n\r\nslow`, 408, 'timeout'],
    ['the name of another host', 'GET /models HTTP/1.1\r\nHost: evil.example\r\n\r\n', 421, 'wrong-host'],
  ])('such as %s, is answered as a problem, with an id', async (_, text, status, kind) => {
    const [head, body] = (await said(text)).split('\r\n\r\n') as [string, string];
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(head.toLowerCase()).toContain('content-type: application/problem+json');
    const id = /^x-request-id: (\S+)$/im.exec(head)![1];
    expect(JSON.parse(body)).toMatchObject({ status, type: `urn:sparring:problem:${kind}`, requestId: id });
    expect(lines.map((line) => line['id'])).toContain(id);
    expect((await fetch(url('/healthz'))).status).toBe(200);
  });

  it('of a client of the Open Inference Protocol is answered where that looks for the error', async () => {
    const [, body] = (await said('GET /v2 HTTP/1.1\r\nHost: evil.example\r\n\r\n')).split('\r\n\r\n');
    const { error, detail } = JSON.parse(body!) as { error: string; detail: string };
    expect(error).toBe(detail);
  });

  it('does not come after the answer to a proper one', async () => {
    const both = await said('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nnonsense\r\n\r\n');
    expect(both.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400']);
  });
});

describe('a request', () => {
  it('of HTTP/1.0 needs no Host', async () => {
    expect(await said('GET /healthz HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.[01] 200 /);
  });

  it('of a client that left is counted as 499, not as a fault of the server', async () => {
    const busy = await started({ workers: 1, batch: 1, queue: 1000 });
    // some hundred images, one at a time: there is a queue for long enough to be seen on a busy machine
    const body = new Uint8Array(digits(8).slice().buffer);
    const clients = Array.from({ length: 60 }, () => new AbortController());
    const requests = clients.map(async ({ signal }) =>
      fetch(url('/attack', busy), {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body,
        signal,
      }).catch(() => null),
    );
    const metrics = async (): Promise<string> => await (await fetch(url('/metrics', busy))).text();
    await expect.poll(metrics, { timeout: 30_000, interval: 1 }).toMatch(/^sparring_queue_images [1-9]/m);
    for (const one of clients) one.abort();
    await Promise.all(requests);
    await expect.poll(metrics, { timeout: 30_000 }).toMatch(/route="\/attack",status="499"} [1-9]/);
    expect(await metrics()).not.toMatch(/route="\/attack",status="50/);
    await busy.drain();
  });

  it.each([
    ['localhost', true],
    ['127.0.0.1:8080', true],
    ['[::1]:8080', true],
    ['demo.localhost', true],
    ['my.name', true],
    ['my.name.:80', true],
    ['evil.example', false],
    ['localhost.evil.example', false],
    ['127.0.0.1.evil.example', false],
    ['10.0.0.1', false],
  ])('that calls a loopback server %s is taken: %s', (header, taken) => {
    expect(allowedHosts('127.0.0.1', undefined, ['My.Name'])!(hostName(header))).toBe(taken);
  });

  it('may call a server with a token, or on other addresses, as it likes', () => {
    expect(allowedHosts('127.0.0.1', 'token', [])).toBe(null);
    expect(allowedHosts('0.0.0.0', undefined, [])).toBe(null);
  });

  it('whose connection is one too many is not taken, and the others are answered', async () => {
    const small = await started({ maxConnections: 3 });
    const sockets = await Promise.all(
      Array.from(
        { length: 3 },
        () =>
          new Promise<Socket>((resolve) => {
            const socket = connect(small.port, '127.0.0.1', () => resolve(socket));
          }),
      ),
    );
    expect(await said('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n', small)).toBe('');
    for (const socket of sockets) socket.destroy();
    await expect
      .poll(
        () =>
          fetch(url('/metrics', small)).then(
            (r) => r.text(),
            () => '',
          ),
        { timeout: 20_000 },
      )
      .toMatch(/sparring_dropped_connections_total [1-9]/);
    await small.drain();
  });

  it('is turned away fast a few times, and slower after that', async () => {
    const pace = createPacer();
    let answered = 0;
    for (let i = 0; i < 100; i++) pace(() => answered++);
    expect(answered).toBe(10);
    await expect.poll(() => answered, { timeout: 20_000 }).toBe(100);
  });
});

/** The descriptors of this process that are open on a file of the run. */
const openFiles = async (): Promise<number> => (await readdir('/proc/self/fd')).length;

describe.runIf(process.platform === 'linux')('descriptors', () => {
  it.each(['/docs/openapi-explorer.js', `/models/${cell}/attacker.onnx`])(
    'are the same after 300 HEADs of %s',
    async (path) => {
      const head = async () => (await fetch(url(path), { method: 'HEAD' })).status;
      expect(await head()).toBe(200);
      const before = await openFiles();
      for (let i = 0; i < 300; i++) await head();
      await expect.poll(openFiles, { timeout: 20_000 }).toBeLessThanOrEqual(before + 5);
    },
  );

  it('are the same after 100 downloads that were given up', async () => {
    const before = await openFiles();
    for (let i = 0; i < 100; i++) {
      const response = await fetch(url(`/models/${cell}/attacker.onnx`));
      await response.body!.cancel();
    }
    await expect.poll(openFiles, { timeout: 20_000 }).toBeLessThanOrEqual(before + 5);
  });
});

describe('a model whose file changes while it is served', () => {
  const path = () => join(folder, cell, 'classifier-c1.onnx');
  const away = () => join(folder, 'away');
  const get = async (one: Serving) => await fetch(url(`/models/${cell}/classifier-c1.onnx`, one));
  const killed = async (one: Serving): Promise<void> => {
    const [pid] = one.pool.pids();
    process.kill(pid!, 'SIGKILL');
    await expect.poll(() => one.pool.pids().includes(pid!), { timeout: 20_000, interval: 20 }).toBe(false);
  };
  const patient = { timeout: 60_000, interval: 100 };

  it.each([
    ['is missing', async () => {}],
    ['is another model', async () => copyFile(join(folder, cell, 'classifier-c2.onnx'), path())],
    ['is empty', async () => writeFile(path(), '')],
    ['is a pipe', async () => void execFileSync('mkfifo', [path()])],
  ])(
    'and %s: is not sent nor run, the server is not ready, and is again when it is back',
    async (_, change) => {
      const one = await started();
      expect((await get(one)).status).toBe(200);
      await rename(path(), away());
      try {
        await change();
        expect((await get(one)).status).toBe(503);
        await killed(one);
        // no worker can open it any more
        await expect
          .poll(async () => (await (await attack(one)).json()) as { detail?: string }, patient)
          .toMatchObject({ status: 503, detail: expect.stringContaining('cannot be run') as string });
        expect((await fetch(url('/readyz', one))).status).toBe(503);
        expect((await fetch(url('/healthz', one))).status).toBe(200);
      } finally {
        await rename(away(), path());
      }
      await expect.poll(async () => (await fetch(url('/readyz', one))).status, patient).toBe(200);
      expect((await attack(one)).status).toBe(200);
      expect((await get(one)).status).toBe(200);
      await one.drain();
    },
  );

  it('and is a pipe: the server does not start, and says so', async () => {
    await rename(path(), away());
    execFileSync('mkfifo', [path()]);
    await expect(loadCatalogue(folder)).rejects.toThrow('it is not an ordinary file');
    await rename(away(), path());
  });
});

describe('a worker', () => {
  it('that hangs is replaced, and its requests are told', async () => {
    const one = await started({ beatInterval: 200 });
    const [hung] = one.pool.pids();
    process.kill(hung!, 'SIGSTOP');
    const before = performance.now();
    const { status } = await attack(one);
    expect([200, 503]).toContain(status);
    expect(performance.now() - before).toBeLessThan(30_000);
    await expect.poll(async () => (await attack(one)).status, { timeout: 60_000 }).toBe(200);
    expect(one.pool.pids()).not.toContain(hung);
    await one.drain();
  });

  it('that is killed while it starts is replaced without a request', async () => {
    const one = await started();
    const [first] = one.pool.pids();
    process.kill(first!, 'SIGKILL');
    await expect
      .poll(() => one.pool.pids().filter((pid) => pid !== first).length, { timeout: 20_000, interval: 5 })
      .toBe(1);
    process.kill(one.pool.pids()[0]!, 'SIGKILL');
    await expect.poll(async () => (await fetch(url('/readyz', one))).status, { timeout: 30_000 }).toBe(200);
    await one.drain();
  });
});

describe('an address to listen on', () => {
  it('that is empty is rejected: it would be every address', async () => {
    await expect(started({ host: '' })).rejects.toThrow('--host is empty');
  });
});
