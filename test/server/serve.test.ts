import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as ort from 'onnxruntime-node';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { InputError, loadDigits } from '../../src/runtime/index.ts';
import { loadCatalogue, serve, type ServeOptions, type Serving } from '../../src/server/index.ts';
import { attackSchemas } from '../../src/server/schemas.ts';
import { sparring, start } from '../support/cli.ts';
import '../support/run.ts';
import { digitPng, digitShape, plainServer, type GreyAnswer } from '../support/server.ts';

/** In milliseconds: the machine may be busy with much else. */
const patience = 240_000;
const cell = 'consecutive-eps0.16-seed1';

let cwd: string;
/** The first 100 digits of MNIST's test set, in 0..1. */
let images: Float32Array;
let png: Uint8Array;
const serving: Serving[] = [];

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sparring-serve-'));
  const { test } = await loadDigits('mnist');
  images = Float32Array.from(test.stored.images.subarray(0, 100 * 784), (pixel) => pixel / 255);
  png = digitPng(images.subarray(0, 784));
  const options = '--device cpu --threads 1 --train-limit 300 --test-limit 100 --classifier-epochs 1';
  const { code, stderr } = await sparring(['train', ...options.split(' '), '--out', 'runs/tiny'], { cwd });
  if (code !== 0) throw new Error(stderr);
}, patience);
afterEach(async () => {
  for (const one of serving.splice(0)) await one.drain();
});
afterAll(async () => {
  await rm(cwd, { recursive: true });
});

async function started(options: Partial<ServeOptions> = {}) {
  const one = await serve({
    catalogue: await loadCatalogue(join(cwd, 'runs/latest')),
    ...plainServer,
    workers: 2,
    openCells: 2,
    queue: 256,
    timeout: 30_000,
    requestTimeout: 30_000,
    limits: { images: 64, body: 2 * 1024 * 1024 },
    ...options,
  });
  serving.push(one);
  return { ...one, url: `http://127.0.0.1:${one.port}` };
}

const attack = async (url: string, body: Uint8Array = png, type = 'image/png') =>
  await fetch(`${url}/attack`, { method: 'POST', headers: { 'content-type': type }, body: body as BodyInit });

describe('a server with real sockets and workers', () => {
  it('gives the perturbations of plain ONNX Runtime for 100 test digits, within 1e-4', async () => {
    const { url } = await started();
    const { answer } = attackSchemas({ image: digitShape, classes: 10, labels: null }, { images: 1 });
    // one by one and all at once, so that they are batched in ways that nobody chose
    const answers = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const one = new Uint8Array(images.slice(i * 784, (i + 1) * 784).buffer);
        const response = await attack(url, one, 'application/octet-stream');
        return (answer.parse(await response.json()) as GreyAnswer).results[0]!;
      }),
    );
    const session = await ort.InferenceSession.create(join(cwd, 'runs/latest', cell, 'attacker.onnx'));
    const { perturbation } = await session.run({
      image: new ort.Tensor('float32', images, [100, 1, 28, 28]),
    });
    await session.release();
    const flat = answers.flatMap(({ perturbation: own }) => own.flat());
    expect(flat).toBeAllClose(perturbation!.data as Float32Array, { atol: 1e-4 });
    // it is no attacker that does nothing
    expect(Math.max(...flat.map(Math.abs))).toBeGreaterThan(0.01);
  });

  it('batches what comes at the same time', async () => {
    const { url } = await started({ workers: 1 });
    // it is busy with many images while the others come, however quick it is
    const many = new Uint8Array(images.slice(0, 64 * 784).buffer);
    const busy = attack(url, many, 'application/octet-stream');
    await Promise.all(Array.from({ length: 40 }, async () => (await attack(url)).arrayBuffer()));
    expect((await busy).status).toBe(200);
    const text = await (await fetch(`${url}/metrics`)).text();
    const batches = Number(/^sparring_batch_images_count (\d+)/m.exec(text)![1]);
    expect(text).toContain('sparring_batch_images_sum 104');
    expect(batches).toBeLessThan(20);
  });

  it('answers 429 with Retry-After when the queue is full, and the rest', async () => {
    const { url } = await started({ workers: 1, queue: 2, batch: 1 });
    const responses = await Promise.all(Array.from({ length: 100 }, async () => await attack(url)));
    const statuses = responses.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    for (const { headers } of responses.filter(({ status }) => status === 429)) {
      expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    }
  });

  it('answers 503 to the requests of a worker that dies, replaces it and goes on', async () => {
    const { url, pool } = await started({ workers: 2, batch: 4 });
    const load = Array.from({ length: 60 }, async () => (await attack(url)).status);
    await sleep(20);
    process.kill(pool.pids()[0]!, 'SIGKILL');
    const statuses = await Promise.all(load);
    expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
    expect(statuses.filter((status) => status === 503).length).toBeGreaterThan(0);
    expect(statuses.filter((status) => status === 503).length).toBeLessThanOrEqual(4);
    expect(pool.pids()).toHaveLength(2);
    const after = await Promise.all(Array.from({ length: 20 }, async () => (await attack(url)).status));
    expect(after).toEqual(Array.from({ length: 20 }, () => 200));
  });

  it('is not ready without workers, and comes back', async () => {
    const { url, pool } = await started({ workers: 1 });
    process.kill(pool.pids()[0]!, 'SIGKILL');
    await expect.poll(async () => (await attack(url)).status, { timeout: 30_000 }).toBe(200);
  });

  it('answers 503 when it takes too long', async () => {
    const { url } = await started({ workers: 1, timeout: 1, batch: 1 });
    const statuses = await Promise.all(Array.from({ length: 8 }, async () => (await attack(url)).status));
    expect(statuses).toContain(503);
    expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
  });

  it('drops the images of a client that has gone', async () => {
    const { url } = await started({ workers: 1, batch: 1 });
    const gone = new AbortController();
    const lost = Array.from({ length: 30 }, async () =>
      fetch(`${url}/attack`, {
        method: 'POST',
        headers: { 'content-type': 'image/png' },
        body: png as BodyInit,
        signal: gone.signal,
      }).catch(() => null),
    );
    await sleep(30);
    gone.abort();
    await Promise.all(lost);
    await expect
      .poll(async () => await (await fetch(`${url}/metrics`)).text())
      .toContain('sparring_queue_images 0');
    const text = await (await fetch(`${url}/metrics`)).text();
    expect(Number(/^sparring_batch_images_sum (\d+)/m.exec(text)![1])).toBeLessThan(30);
  });

  it('closes the connection of a body that comes too slowly with 408', async () => {
    const { port, url } = await started({ requestTimeout: 300 });
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(
          'POST /attack HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 99\r\n\r\nslow',
        );
      });
      socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect((await attack(url)).status).toBe(200);
  });
});

/** Sends a request on a connection of `agent`, and tells how it ended. */
const sent = (port: number, agent: Agent): Promise<number | 'refused' | 'lost'> =>
  new Promise((resolve) => {
    let connected = false;
    const request = httpRequest(
      { port, agent, method: 'POST', path: '/attack', headers: { 'content-type': 'image/png' } },
      (response) => {
        response.resume().on('end', () => resolve(response.statusCode!));
        response.on('error', () => resolve('lost'));
      },
    );
    request.on('socket', (socket) => {
      connected = !socket.connecting;
      socket.on('connect', () => (connected = true));
    });
    request.on('error', () => resolve(connected ? 'lost' : 'refused'));
    request.end(png);
  });

describe('sparring serve', () => {
  it(
    'answers every request that it accepted when SIGTERM comes under load',
    async () => {
      const server = start(['serve', '--run', 'runs/latest', '--port', '0', '--log-level', 'error'], { cwd });
      await server.says(' serves tiny: 1 attacker');
      const port = Number(/:(\d+)\//.exec(server.stderr())![1]);
      const agent = new Agent({ keepAlive: true, maxSockets: 32 });
      const ends: (number | 'refused' | 'lost')[] = [];
      let stop = false;
      const clients = Array.from({ length: 32 }, async () => {
        while (!stop) {
          const end = await sent(port, agent);
          ends.push(end);
          if (end === 'refused') break;
        }
      });
      await expect.poll(() => ends.length, { timeout: 30_000 }).toBeGreaterThan(64);
      server.process.kill('SIGTERM');
      const { code, signal, stderr } = await server.finished;
      stop = true;
      await Promise.all(clients);
      agent.destroy();
      expect({ code, signal }).toEqual({ code: 0, signal: null });
      expect(stderr).toContain('finishing the requests in progress');
      expect(ends.filter((end) => end !== 200 && end !== 'refused')).toEqual([]);
    },
    patience,
  );

  const served = async (command: ReturnType<typeof start>): Promise<string> => {
    await command.says(' serves tiny: 1 attacker');
    return /http:\S+:\d+/.exec(command.stderr())![0];
  };

  it('ends with status 0 on SIGHUP, as on SIGTERM', async () => {
    const server = start(['serve', '--run', 'runs/latest', '--port', '0', '--log-level', 'silent'], { cwd });
    const url = await served(server);
    const eight = () => Array.from({ length: 8 }, async () => (await attack(url)).status);
    // on connections that there are: one that is being made may be too late
    await Promise.all(eight());
    const answers = eight();
    await Promise.any(answers);
    server.process.kill('SIGHUP');
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 8 }, () => 200));
    expect(await server.finished).toMatchObject({ code: 0, signal: null });
  });

  // only Linux has a file that is always full
  it.runIf(existsSync('/dev/full'))(
    'answers while the disk of its log is full, counts the lines, and ends on SIGTERM',
    async () => {
      const server = start(['serve', '--run', 'runs/latest', '--port', '0'], { cwd, stdout: '/dev/full' });
      const url = await served(server);
      const statuses = new Set<number>();
      for (let i = 0; i < 400; i++) statuses.add((await fetch(`${url}/healthz`)).status);
      expect([...statuses]).toEqual([200]);
      const metrics = await (await fetch(`${url}/metrics`)).text();
      expect(Number(/^sparring_log_lines_dropped (\d+)/m.exec(metrics)![1])).toBeGreaterThan(300);
      server.process.kill('SIGTERM');
      expect(await server.finished).toMatchObject({ code: 0, signal: null });
    },
  );

  it('answers while nobody reads its log, and ends on SIGTERM', async () => {
    const server = start(['serve', '--run', 'runs/latest', '--port', '0'], { cwd });
    const url = await served(server);
    server.process.stdout!.pause();
    // more lines than a pipe and the memory for them hold
    const path = `/${'x'.repeat(200)}`;
    for (let i = 0; i < 40; i++) {
      const some = Array.from({ length: 150 }, async () => (await fetch(url + path)).status);
      expect(new Set(await Promise.all(some))).toEqual(new Set([404]));
    }
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(Number(/^sparring_log_lines_dropped (\d+)/m.exec(metrics)![1])).toBeGreaterThan(0);
    const ended = new Promise((resolve) => server.process.once('exit', (code) => resolve(code)));
    server.process.kill('SIGTERM');
    expect(await ended).toBe(0);
    server.process.stdout!.resume();
  });

  it('ends when the time to drain is over, though a client does not take its answer', async () => {
    const options = ['--port', '0', '--log-level', 'silent', '--drain-timeout', '1000'];
    const server = start(['serve', '--run', 'runs/latest', ...options], { cwd });
    const url = await served(server);
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () =>
      socket.write(`GET /models/${cell}/attacker.onnx HTTP/1.1\r\nHost: localhost\r\n\r\n`),
    );
    socket.on('error', () => {}).pause();
    await sleep(2000);
    const before = performance.now();
    server.process.kill('SIGTERM');
    const { code, stderr } = await server.finished;
    expect(performance.now() - before).toBeLessThan(10_000);
    expect([code, stderr]).toEqual([1, expect.stringContaining('not all requests were done in 1000 ms')]);
    socket.destroy();
  });

  it.runIf(process.platform === 'linux')(
    'lives, and replaces a worker that dies, with more connections than it may have descriptors',
    async () => {
      const server = start(
        ['serve', '--run', 'runs/latest', '--port', '0', '--workers', '1', '--log-level', 'silent'],
        {
          cwd,
          openFiles: 250,
        },
      );
      const url = await served(server);
      const sockets = Array.from({ length: 300 }, () =>
        connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {}),
      );
      await sleep(1000);
      const [worker] = execFileSync('pgrep', ['-P', String(server.process.pid)], { encoding: 'utf8' }).split(
        '\n',
      );
      process.kill(Number(worker), 'SIGKILL');
      await sleep(2000);
      expect(server.process.exitCode).toBe(null);
      for (const socket of sockets) socket.destroy();
      const ready = async () =>
        await fetch(`${url}/readyz`).then(
          ({ status }) => status,
          () => 0,
        );
      await expect.poll(ready, { timeout: 30_000 }).toBe(200);
      server.process.kill('SIGTERM');
      expect(await server.finished).toMatchObject({ code: 0 });
    },
  );

  it('says in one line, with status 2, that there is no run', async () => {
    expect(await sparring(['serve', '--run', 'runs/none'], { cwd })).toMatchObject({
      code: 2,
      stdout: '',
      stderr: 'sparring: there is no trained run at runs/none; train one first, or name one with --run\n',
    });
  });

  it('says that its port is in use', async () => {
    const { port } = await started({ workers: 1 });
    const { code, stderr } = await sparring(['serve', '--run', 'runs/tiny', '--port', String(port)], { cwd });
    expect(code).toBe(2);
    expect(stderr).toBe(`sparring: port ${port} of 127.0.0.1 is in use; choose another --port\n`);
  });
});

describe('a run', () => {
  const broken = async (change: (cell: string, run: string) => Promise<void>) => {
    const run = await mkdtemp(join(cwd, 'broken-'));
    await cp(join(cwd, 'runs/tiny'), run, { recursive: true });
    await change(join(run, cell), run);
    return await loadCatalogue(run).catch((error: unknown) => error);
  };

  it.each([
    [
      'damaged',
      (path: string) => appendFile(join(path, 'attacker.onnx'), 'x'),
      'attacker.onnx: is not the file',
    ],
    [
      'foreign',
      (path: string) => cp(join(path, 'classifier-c1.onnx'), join(path, 'classifier-c2.onnx')),
      'classifier-c2.onnx: is not the file',
    ],
    ['missing', (path: string) => rm(join(path, 'classifier-c1.onnx')), 'classifier-c1.onnx: no such file'],
    ['unfinished', (_: string, run: string) => rm(join(run, 'result.json')), 'has no finished attacker yet'],
    [
      'unreadable',
      async (_: string, run: string) => {
        const text = await readFile(join(run, 'result.json'), 'utf8');
        await writeFile(join(run, 'result.json'), text.slice(0, 100));
      },
      'result.json: is not JSON',
    ],
  ])('is refused by the name of the file when it is %s', async (_, change, line) => {
    const error = await broken(change);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).message).toContain(line);
    expect((error as InputError).message).not.toContain('\n');
  });
});
