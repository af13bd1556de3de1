import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../support/package.ts';

/** The declarations that a file exports: where each is, and what it is called there. */
function exportsOf(file: string): readonly (readonly [file: string, name: string])[] {
  const text = readFileSync(file, 'utf8');
  const from = (specifier: string): string => join(dirname(file), specifier);
  const own = text.matchAll(
    /^export (?:async )?(?:const|function\*?|class|interface|type) (\w+)(?!.*\bfrom\b)/gm,
  );
  const stars = text.matchAll(/^export \*(?: as \w+)? from '(.+)';/gm);
  const named = text.matchAll(/^export (?:type )?\{([^}]*)\} from '(.+)';/gm);
  return [
    ...[...own].map(([, name]) => [file, name!] as const),
    ...[...stars].flatMap(([, specifier]) => exportsOf(from(specifier!))),
    ...[...named].flatMap(([, list, specifier]) => {
      const names = list!.split(',').map((part) => part.trim().replace(/^type /, ''));
      return exportsOf(from(specifier!)).filter(([, name]) => names.includes(name));
    }),
  ];
}

test.for([
  ['sparring', 'src/index.ts', 'openClassifier'],
  ['sparring in a browser', 'src/browser.ts', 'audit'],
  ['sparring/builder', 'src/builder/index.ts', 'matmul'],
  ['sparring/onnx', 'src/onnx/index.ts', 'decode'],
  ['sparring/runtime in a browser', 'src/runtime/browser.ts', 'openModel'],
] as const)('every export of %s is documented', ([, entry, known]) => {
  const all = exportsOf(join(root, entry));
  expect(all.map(([, name]) => name)).toContain(known);
  const bare = all.filter(([file, name]) => {
    const text = readFileSync(file, 'utf8');
    const declaration = new RegExp(
      `\\*/\\nexport (?:async )?(?:const|function\\*?|class|interface|type) ${name}\\b`,
    );
    return !declaration.test(text);
  });
  expect(bare.map(([file, name]) => `${file.slice(root.length)}: ${name}`)).toEqual([]);
});
