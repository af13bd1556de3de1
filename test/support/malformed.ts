import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { crc32, deflateSync } from 'node:zlib';
import type { Random } from '../../src/runtime/random.ts';
import { pick } from './run.ts';
import { digitPng, digits, nested } from './server.ts';

/** A request that no server may like, and how to send it. */
export interface Malformed {
  readonly what: string;
  /** Gives the status of the answer, or null where the connection ended without one. */
  readonly send: (port: number) => Promise<number | null>;
}

const image = digits(1);
const rows = nested(image);
const png = Buffer.from(digitPng(image));
const agent = new Agent({ keepAlive: true, maxSockets: 16 });

interface Http {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Without Content-Length. */
  readonly chunked?: boolean;
}

/** An ordinary client: whole messages, of whatever content. */
const http =
  ({ method = 'POST', path = '/attack', headers = {}, body, chunked = false }: Http) =>
  (port: number): Promise<number | null> =>
    new Promise((resolve) => {
      const length =
        body === undefined || chunked ? {} : { 'content-length': String(Buffer.byteLength(body)) };
      const request = httpRequest(
        { port, agent, method, path, headers: { ...headers, ...length } },
        (response) => {
          response.resume();
          response.on('end', () => resolve(response.statusCode!)).on('error', () => resolve(null));
        },
      );
      request.on('error', () => resolve(null));
      if (body !== undefined) request.write(body);
      request.end();
    });

/** A client that writes these bytes, then waits or goes. */
const socket =
  (text: string | Uint8Array, go: boolean) =>
  (port: number): Promise<number | null> =>
    new Promise((resolve) => {
      let answer = '';
      const client = connect(port, '127.0.0.1', () => {
        client.write(text);
        if (go) setTimeout(() => client.destroy(), 20);
      });
      client.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk));
      client.on('error', () => {});
      client.on('close', () => {
        const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1];
        resolve(status === undefined ? null : Number(status));
      });
    });

const jsonType = { 'content-type': 'application/json' };
const chunk = (type: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
};
const header = (width: number, height: number, depth: number, color: number, interlace: number): Buffer => {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(width);
  data.writeUInt32BE(height, 4);
  data.set([depth, color, 0, 0, interlace], 8);
  return chunk('IHDR', data);
};
const file = (...chunks: readonly Buffer[]): Buffer => Buffer.concat([png.subarray(0, 8), ...chunks]);

/** Every kind of malformed request. Each call draws another one of its kind. */
const kinds: Readonly<Record<string, (random: Random) => (port: number) => Promise<number | null>>> = {
  'random bytes of any type': (random) =>
    http({ headers: { 'content-type': anyType(random) }, body: bytes(random, 4000) }),
  'no type': (random) => http({ body: bytes(random, 100) }),
  'an empty body': (random) => http({ headers: { 'content-type': anyType(random) }, body: '' }),
  'a truncated PNG': (random) => http({ headers: pngType, body: png.subarray(0, random.below(png.length)) }),
  'a PNG with flipped bits': (random) => {
    const copy = Buffer.from(png);
    for (let i = 0; i <= random.below(4); i++) copy[random.below(copy.length)]! ^= 1 << random.below(8);
    return http({ headers: pngType, body: copy });
  },
  'a PNG with another header': (random) => {
    const size = () => pick(random, [0, 1, 28, 28, 29, 65_535, 0x7fff_ffff, 0xffff_ffff]);
    const head = header(size(), size(), random.below(20), random.below(8), random.below(3));
    return http({ headers: pngType, body: file(head, png.subarray(33)) });
  },
  'a PNG that inflates to much': (random) => {
    const bomb = deflateSync(Buffer.alloc(1e6 * (1 + random.below(20))), { level: 9 });
    const end = chunk('IEND', Buffer.alloc(0));
    return http({
      headers: pngType,
      body: file(header(28, 28, 8, 0, random.below(2)), chunk('IDAT', bomb), end),
    });
  },
  'a PNG of many chunks': (random) => {
    const text = chunk('tEXt', bytes(random, 40));
    const many = Array.from({ length: 1 + random.below(2000) }, () => text);
    return http({ headers: pngType, body: file(png.subarray(8, 33), ...many) });
  },
  'numbers that are none': (random) => {
    const copy = image.slice();
    copy[random.below(784)] = pick(random, [NaN, Infinity, -Infinity, -0.1, 1.1, 3e38, -3e38]);
    return http({ headers: rawType, body: new Uint8Array(copy.buffer) });
  },
  'a raw body of another length': (random) => http({ headers: rawType, body: bytes(random, 20_000) }),
  'JSON with a pixel of another kind': (random) =>
    json({ images: [rows[0]!.map((row, y) => (y === 3 ? [...row.slice(1), anything(random)] : row))] }),
  'JSON of other lengths': (random) => {
    const cut = (list: readonly unknown[]) => list.slice(0, random.below(list.length));
    return json({ images: [random.below(2) ? cut(rows[0]!) : rows[0]!.map(cut)] });
  },
  'JSON with a field of another kind': (random) => {
    const field = pick(random, [
      'images',
      'labels',
      'attacker',
      'clip',
      'bits',
      '__proto__',
      'constructor',
      'x',
    ]);
    return http({
      headers: jsonType,
      body: `{"images":${JSON.stringify(rows)},${JSON.stringify(field)}:${JSON.stringify(anything(random)) ?? 'null'}}`,
    });
  },
  'truncated JSON': (random) => {
    const text = JSON.stringify({ images: rows, labels: [3] });
    return http({ headers: jsonType, body: text.slice(0, random.below(text.length)) });
  },
  'JSON with NaN': (random) =>
    http({
      headers: jsonType,
      body: JSON.stringify({ images: rows }).replace(
        '0',
        pick(random, ['NaN', 'Infinity', '1e999', '-', '0x1', '01']),
      ),
    }),
  'deep JSON': (random) => {
    const depth = 1000 + random.below(500_000);
    const [open, close] = pick(random, [
      ['[', ']'],
      ['{"images":', '}'],
    ] as const);
    const body =
      open.repeat(depth / open.length) + '1' + close.repeat(random.below(2) ? depth / open.length : 0);
    return http({ headers: jsonType, body: random.below(2) ? body : `{"images":${body}}` });
  },
  'too many images': (random) =>
    json({ images: Array.from({ length: 65 + random.below(10) }, () => rows[0]) }),
  'a huge body': (random) =>
    http({
      headers: { 'content-type': anyType(random) },
      body: Buffer.alloc(2 * 1024 * 1024 + 1 + random.below(1e6), random.below(256)),
      chunked: random.below(2) === 0,
    }),
  'broken multipart': (random) => {
    const part = pick(random, ['images', 'labels', 'bits', 'eps', 'x', '', '__proto__', '"']);
    const content = pick(random, [png.toString('latin1'), 'text', '', '\r\n--b\r\n']);
    const name = random.below(2) ? '; filename="a.png"' : '';
    const body =
      `--b\r\nContent-Disposition: form-data; name="${part}"${name}\r\n\r\n${content}\r\n` +
      pick(random, ['--b--\r\n', '--b', '', '--c--']);
    const boundary = pick(random, [
      '; boundary=b',
      '; boundary=',
      '',
      '; boundary="b',
      `; boundary=${'b'.repeat(300)}`,
    ]);
    return http({
      headers: { 'content-type': `multipart/form-data${boundary}` },
      body: Buffer.from(body, 'latin1'),
    });
  },
  'multipart with too many files': (random) => {
    const part = '--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\nx\r\n';
    const body = `${part.repeat(65 + random.below(3000))}--b--\r\n`;
    return http({ headers: { 'content-type': 'multipart/form-data; boundary=b' }, body });
  },
  'a query without sense': (random) => {
    const key = pick(random, [
      'eps',
      'mode',
      'seed',
      'clip',
      'bits',
      'labels',
      'attacker',
      'x',
      '__proto__',
      '',
    ]);
    const value = pick(random, [
      'NaN',
      '-1',
      '1e400',
      '',
      '%',
      '%00',
      '9'.repeat(3000),
      '1,2',
      'true',
      '8.5',
    ]);
    return http({ path: `/attack?${key}=${value}&${key}=${value}`, headers: pngType, body: png });
  },
  'a path without sense': (random) => {
    const parts = [
      'models',
      '..',
      '%2e%2e',
      'attacker.onnx',
      '%00',
      '%',
      'a'.repeat(1000),
      'assets',
      '~',
      '\\',
      '',
    ];
    const path = `/${Array.from({ length: 1 + random.below(5) }, () => pick(random, parts)).join('/')}`;
    return http({ method: pick(random, ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS']), path });
  },
  'headers without sense': (random) => {
    const names = [
      'range',
      'if-none-match',
      'if-range',
      'accept',
      'authorization',
      'origin',
      'x-request-id',
      'cookie',
    ];
    const values = [
      'bytes=9-1',
      'bytes=--',
      'bytes=1e9-',
      '*',
      ';;q=',
      'W/"',
      ',',
      'x'.repeat(5000),
      'image/png;q=x',
    ];
    const headers = Object.fromEntries(
      Array.from({ length: 3 }, () => [pick(random, names), pick(random, values)]),
    );
    const get = random.below(2) === 0;
    return http(
      get
        ? { method: 'GET', path: '/models/consecutive-eps0.16-seed1/classifier-c1.onnx', headers }
        : { headers: { ...headers, ...pngType }, body: png },
    );
  },
  'no HTTP': (random) => socket(bytes(random, 300), true),
  'HTTP that is broken': (random) => {
    const start = 'POST /attack HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n';
    return socket(
      pick(random, [
        `${start}Content-Length: -1\r\n\r\n`,
        `${start}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`,
        `${start}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
        `${start}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n`,
        `POST http:// HTTP/1.1\r\nHost: localhost\r\n\r\n`,
        `POST /attack HTTP/1.1\r\n\r\n`,
        `GET / HTTP/1.1\r\nHost: ${pick(random, ['', '[', 'a b', '@', 'x:99999', '%'])}\r\n\r\n`,
        `GET / HTTP/9.9\r\nHost: localhost\r\n\r\n`,
        `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      ]),
      true,
    );
  },
  'a body that does not come': (random) => {
    const type = anyType(random);
    const start = `POST /attack HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: 500\r\n\r\n`;
    return socket(start + 'x'.repeat(random.below(499)), random.below(20) > 0);
  },
};

const pngType = { 'content-type': 'image/png' };
const rawType = { 'content-type': 'application/octet-stream' };
const json = (body: unknown) => http({ headers: jsonType, body: JSON.stringify(body) });
const bytes = (random: Random, most: number): Buffer =>
  Buffer.from(Array.from({ length: 1 + random.below(most) }, () => random.below(256)));
const anyType = (random: Random): string =>
  pick(random, [
    'application/json',
    'image/png',
    'application/octet-stream',
    'multipart/form-data; boundary=b',
    'text/plain',
    'application/x-www-form-urlencoded',
    'image/jpeg',
    '',
    ';',
    'application/json; charset=utf-16',
  ]);
const anything = (random: Random): unknown =>
  pick(random, [
    null,
    true,
    'a',
    '',
    -1,
    1.5,
    1e308,
    [],
    {},
    [[]],
    [null],
    { eps: 'x' },
    { eps: 0.5 },
    8,
    [99],
    'x'.repeat(500),
  ]);

/** A malformed request, drawn. */
export function malformed(random: Random): Malformed {
  const what = pick(random, Object.keys(kinds));
  return { what, send: kinds[what]!(random) };
}

/** Ends the connections that are kept. */
export const hangUp = (): void => agent.destroy();
