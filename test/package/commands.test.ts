import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { program } from '../../src/cli/main.ts';
import { root } from '../support/package.ts';
import { shown } from '../support/shown-commands.ts';

const commands = new Map(program().commands.map((command) => [command.name(), command]));

test('README and docs show commands with options that they have', async () => {
  const docs = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md'));
  const unknown: string[] = [];
  let seen = 0;
  for (const page of ['README.md', ...docs.map((name) => join('docs', name))]) {
    for (const [name, words] of shown(await readFile(join(root, page), 'utf8'))) {
      const command = commands.get(name);
      if (!command) continue;
      seen++;
      const known = command.options.flatMap(({ short, long }) => [short, long]);
      for (const word of words) {
        const [, flag] = /^(--?[a-z][a-z-]*)/.exec(word) ?? [];
        if (flag !== undefined && flag !== '--help' && !known.includes(flag)) {
          unknown.push(`${page}: ${name} has no ${flag}`);
        }
      }
    }
  }
  expect(seen).toBeGreaterThan(50);
  expect(unknown).toEqual([]);
});

test('README shows each command of the program, or the page that does', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const pages = [...readme.matchAll(/\]\((docs\/[\w-]+\.md)\)/g)].map(([, page]) => page!);
  const texts = await Promise.all(['README.md', ...pages].map((page) => readFile(join(root, page), 'utf8')));
  const named = new Set(texts.flatMap(shown).map(([command]) => command));
  expect([...commands.keys()].filter((name) => !named.has(name))).toEqual([]);
});

test('a checkout has a script for each command, by its name unless pnpm has a command of that name', () => {
  const scripts = Object.keys(manifest.scripts);
  const missing = [...commands.keys()].filter((name) => name !== 'audit' && !scripts.includes(name));
  expect(missing).toEqual([]);
});
