import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sparring } from '../../support/cli.ts';
import { examples, writeIdxFolder } from '../../support/idx.ts';

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sparring-demo-'));
  await writeIdxFolder(join(cwd, 'data'), { train: examples(16), test: examples(20) });
  const settings = '--data data --device cpu --threads 1 --batch-size 8 --architecture mlp';
  const epochs = '--classifier-epochs 1 --attacker-epochs 1 --out run';
  await sparring(['train', ...settings.split(' '), ...epochs.split(' ')], { cwd });
}, 240_000);
afterAll(async () => {
  await rm(cwd, { recursive: true });
});

describe('sparring demo', { timeout: 240_000 }, () => {
  it('writes a folder, whose name may end in a slash, once', async () => {
    const { code, stdout } = await sparring(['demo', '--run', 'run/', '--out', 'site//'], { cwd });
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^site: \d+ MB, for any file server\n$/) as string,
    });
    expect(await readdir(join(cwd, 'site'))).toEqual(expect.arrayContaining(['index.html', 'models.json']));
    expect(await sparring(['demo', '--run', 'run', '--out', 'site/'], { cwd })).toMatchObject({
      code: 2,
      stderr: 'sparring: site exists; choose another --out, or remove it first\n',
    });
    expect((await readdir(cwd)).toSorted()).toEqual(['data', 'run', 'site']);
  });

  it.skipIf(process.platform !== 'linux')(
    'says in one line that a folder cannot be made, and ends',
    async () => {
      const { code, stderr } = await sparring(['demo', '--run', 'run', '--out', '/proc/x/y'], { cwd });
      expect(code).toBe(2);
      expect(stderr).toMatch(
        /^sparring: cannot make the folder \/proc\/x\/y\.\d+: no such file or folder; check the path\n$/,
      );
      expect(existsSync('/proc/x')).toBe(false);
    },
  );
});
