import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import semver from 'semver';
import { describe, expect, test } from 'vitest';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly imports?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly engines?: { readonly node?: string };
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}
const read = (file: string): Manifest => JSON.parse(readFileSync(file, 'utf8')) as Manifest;
const root = fileURLToPath(new URL('../../', import.meta.url));
const own = read(join(root, 'package.json'));

/** The package.json that `name` leads to from a file, as Node looks for it; null when it is not installed. */
function find(name: string, from: string): string | null {
  const file = join(from, 'node_modules', name, 'package.json');
  if (existsSync(file)) return realpathSync(file);
  return dirname(from) === from ? null : find(name, dirname(from));
}

/** Every package that an installation of this one brings, by its package.json. */
function productionTree(): ReadonlyMap<string, Manifest> {
  const found = new Map<string, Manifest>();
  const visit = (file: string): void => {
    if (found.has(file)) return;
    const manifest = read(file);
    found.set(file, manifest);
    for (const name of Object.keys(manifest.dependencies ?? {})) {
      const next = find(name, dirname(file));
      if (!next) throw new Error(`${manifest.name} needs ${name}, which is not installed`);
      visit(next);
    }
    // those for other platforms are not installed
    for (const name of Object.keys(manifest.optionalDependencies ?? {})) {
      const next = find(name, dirname(file));
      if (next) visit(next);
    }
  };
  visit(join(root, 'package.json'));
  return found;
}

describe('Node', () => {
  const tree = [...productionTree().values()];

  test('20.19 may install this package', () => {
    expect(semver.satisfies('20.19.0', own.engines!.node!)).toBe(true);
  });

  test('of any version that may install this package may install all that it depends on', () => {
    expect(tree.length).toBeGreaterThan(100);
    const narrower = tree.filter(
      ({ engines }) => engines?.node && !semver.subset(own.engines!.node!, engines.node),
    );
    expect(narrower.map(({ name, version, engines }) => `${name}@${version}: ${engines!.node}`)).toEqual([]);
  });
});

describe('dependencies', () => {
  const packageOf = (specifier: string): string => /^(@[^/]+\/)?[^/]+/.exec(specifier)![0];
  /** An import or export from a package, an import() of one, and a file of one that is looked up. */
  const specifiers =
    /^(?:import|export)\b[^'"]*?\bfrom '([^'.#]+.*)'|\bimport\('([^'.#].*?)'\)|\bresolve\(['`]([@a-z][\w@-]*\/[^'`]*)/gm;

  /** Packages that the built package imports or looks up; the page in src/web is bundled. */
  const imported = async (): Promise<ReadonlySet<string>> => {
    const names = new Set(Object.values(own.imports!['#ort']!).map(packageOf));
    for (const entry of await readdir(join(root, 'src'), { recursive: true, withFileTypes: true })) {
      if (!entry.name.endsWith('.ts') || entry.parentPath.startsWith(join(root, 'src', 'web'))) continue;
      const text = await readFile(join(entry.parentPath, entry.name), 'utf8');
      for (const [, ...found] of text.matchAll(specifiers)) {
        const specifier = found.find((each) => each !== undefined)!;
        if (!isBuiltin(specifier)) names.add(packageOf(specifier));
      }
    }
    return names;
  };
  /** What is there in a checkout only: the demo is built with vite, and its API page copied into dist. */
  const checkoutOnly = ['vite', 'openapi-explorer'];

  /** What the dependencies want beside them: name of the dependency, name and range of its peer. */
  const peers = Object.keys(own.dependencies!).flatMap((name) => {
    const { peerDependencies = {}, peerDependenciesMeta = {} } = read(find(name, root)!);
    return Object.entries(peerDependencies)
      .filter(([peer]) => !peerDependenciesMeta[peer]?.optional)
      .map(([peer, range]) => ({ name, peer, range }));
  });

  test('are all used, or the peer of one that is', async () => {
    const used = new Set([...(await imported()), ...peers.map(({ peer }) => peer)]);
    expect(Object.keys(own.dependencies!).filter((name) => !used.has(name))).toEqual([]);
  });

  test.for(peers)('are what $name wants beside it: $peer $range', ({ peer, range }) => {
    expect(semver.subset(own.dependencies![peer]!, range)).toBe(true);
  });

  test('are all declared', async () => {
    const declared = new Set([
      ...Object.keys({ ...own.dependencies, ...own.peerDependencies }),
      ...checkoutOnly,
    ]);
    expect([...(await imported())].filter((name) => !declared.has(name))).toEqual([]);
  });
});
