import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { program } from '../../src/cli/main.ts';
import { encode } from '../../src/onnx/index.ts';
import { stream } from '../../src/runtime/random.ts';
import { sparring, start, type Finished } from '../support/cli.ts';
import { smallClassifier } from '../support/oracles.ts';
import { root } from '../support/package.ts';
import { pictureClasses, writePictures } from '../support/pictures.ts';
import { shownInBlocks } from '../support/shown-commands.ts';

const patience = 300_000;

/** What is added to a command so that it takes seconds, and may be typed for another model of the same name. */
const fewer: Readonly<Record<string, string>> = {
  inspect: '',
  audit: '--threads 1 --time-limit 4m --force',
  harden: '--threads 1 --train-limit 200 --validation 50 --epochs 1 --images 20 --force',
  train: '--threads 1 --train-limit 200 --test-limit 100 --classifier-epochs 1 --attacker-epochs 1',
  'train-attacker': '--threads 1 --train-limit 20 --test-limit 10 --batch-size 10 --epochs 1 --width 2',
  demo: '',
  serve: '--port 0',
};

/** Exit codes of a command that did its work: the audits may not meet what they demand. */
const good: Readonly<Record<string, readonly number[]>> = { audit: [0, 3] };

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sparring-readme-'));
  await writePictures(join(cwd, 'photos'));
});
afterAll(() => rm(cwd, { recursive: true }));

/** Any classifier of a reader's own: of photos where the command reads photos, else of digits. */
const model = (words: readonly string[]): Uint8Array => {
  const [shape, classes] = words.includes('photos/')
    ? [{ channels: 3, height: 32, width: 32 }, pictureClasses.length]
    : [{ channels: 1, height: 28, width: 28 }, 10];
  return encode(smallClassifier(stream(1, 'readme'), shape, classes));
};

const commands = new Set(program().commands.map((command) => command.name()));
const shown = shownInBlocks(await readFile(join(root, 'README.md'), 'utf8'))
  .filter(([name]) => commands.has(name))
  .map(([name, words]) => [[name, ...words].join(' '), name, words] as const);

test('README shows commands of every kind', () => {
  expect(new Set(shown.map(([, name]) => name))).toEqual(new Set(Object.keys(fewer)));
});

/** Starts a server, asks whether it takes requests, and ends it. */
async function served(args: readonly string[]): Promise<Finished> {
  const server = start(args, { cwd });
  await server.says('/docs');
  const [address] = /http:\/\/\S+?\//.exec(server.stderr())!;
  const { status } = await fetch(new URL('readyz', address));
  server.process.kill('SIGTERM');
  const finished = await server.finished;
  return status === 200 ? finished : { ...finished, code: status };
}

test.each(shown)(
  'the README’s command runs: %s',
  async (_, name, words) => {
    await writeFile(join(cwd, 'model.onnx'), model(words));
    const more = words.includes('--help') ? [] : fewer[name]!.split(' ').filter((word) => word !== '');
    const args = [name, ...words, ...more];
    const { code, stdout, stderr } = await (name === 'serve' ? served(args) : sparring(args, { cwd }));
    const ended = (good[name] ?? [0]).includes(code!) ? 'as it should' : stdout + stderr;
    expect(ended).toBe('as it should');
  },
  patience,
);
