import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What npm would put into the package, without building it. npm compresses it all to say so: asked once. */
let files: readonly string[];
beforeAll(async () => {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const { stdout } = await promisify(execFile)('npm', args, {
    cwd: root,
    shell: process.platform === 'win32',
  });
  const [report] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  files = report.files.map(({ path }) => path);
}, 120_000);

test('the package holds what is built, graphs and docs, and nothing else of the repository', () => {
  const expected = /^(dist|graphs|docs)\/|^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/;
  expect(files.filter((file) => !expected.test(file))).toEqual([]);
  expect(files).toEqual(
    expect.arrayContaining(['README.md', 'LICENSE', 'CHANGELOG.md', 'graphs/manifest.json']),
  );
});

test('the package holds the pictures and pages of docs that the README shows', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const links = [...readme.matchAll(/\]\((docs\/[^)#]+)/g)].map(([, link]) => link!);
  expect(links).toContain('docs/samples.png');
  expect(links.filter((link) => !files.includes(link))).toEqual([]);
});

test('git ignores what the commands in README and docs write', async ({ skip }) => {
  skip(!existsSync(join(root, '.git')), 'this is no checkout');
  const docs = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md'));
  const pages = ['README.md', ...docs.map((name) => join('docs', name))];
  const written = new Set<string>();
  for (const page of pages) {
    const text = await readFile(join(root, page), 'utf8');
    // file names are lower case; DIR and OUT stand for some name
    for (const [, name] of text.matchAll(/ (?:--out|-o) ([a-z][\w./-]*)/g)) written.add(name!);
    for (const [, name] of text.matchAll(/save it as `(\S+)`/g)) written.add(name!);
  }
  expect([...written]).toEqual(expect.arrayContaining(['hardened.onnx', 'demo-site', 'demo.ts']));
  const { stdout } = await promisify(execFile)('git', ['check-ignore', '--no-index', ...written], {
    cwd: root,
  });
  expect(stdout.trim().split('\n').toSorted()).toEqual([...written].toSorted());
});
