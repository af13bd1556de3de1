import { existsSync } from 'node:fs';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { fileLog, streamLog } from '../../src/server/log.ts';

const line = `${'x'.repeat(999)}\n`;

describe('a log', () => {
  it('in a file holds every line in order', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sparring-log-'));
    const file = await open(join(folder, 'log'), 'w');
    const log = fileLog(file.fd);
    for (let i = 0; i < 500; i++) log.write(`line ${i}\n`);
    await log.flush(30_000);
    await file.close();
    const text = await readFile(join(folder, 'log'), 'utf8');
    expect(text.trimEnd().split('\n')).toEqual(Array.from({ length: 500 }, (_, i) => `line ${i}`));
    expect(log.dropped()).toBe(0);
    await rm(folder, { recursive: true });
  });

  // only Linux has a file that is always full
  it.runIf(existsSync('/dev/full'))('on a full disk drops its lines and counts them', async () => {
    const file = await open('/dev/full', 'w');
    const log = fileLog(file.fd);
    for (let i = 0; i < 50; i++) log.write(line);
    await log.flush(30_000);
    expect(log.dropped()).toBe(50);
    await file.close();
  });

  it('that nobody reads holds a bounded number of lines, and does not wait for them', async () => {
    const pipe = new PassThrough();
    const log = streamLog(pipe);
    for (let i = 0; i < 5000; i++) log.write(line);
    expect(log.dropped()).toBeGreaterThan(3000);
    expect(pipe.writableLength).toBeLessThan(2 ** 21);
    const started = performance.now();
    await log.flush(50);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('whose reader is gone drops its lines', () => {
    const pipe = new PassThrough();
    const log = streamLog(pipe);
    pipe.emit('error', new Error('EPIPE'));
    log.write(line);
    expect(log.dropped()).toBe(1);
  });
});
