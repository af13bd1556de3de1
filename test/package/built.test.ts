import { execFile, type ExecFileException } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { userProgram } from '../../scripts/user-program.ts';
import { buildPackage, root, tsc } from '../support/package.ts';

let folder: string;
const run = (...args: string[]) => promisify(execFile)(process.execPath, args, { cwd: folder });
const evaluate = (code: string) => run('--input-type=module', '-e', code);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-built-'));
  await buildPackage(folder);
}, 120_000);
afterAll(() => rm(folder, { recursive: true }));

describe('the built package', () => {
  const targets = Object.values(manifest.exports).flatMap((each) =>
    typeof each === 'string' ? [each] : Object.values(each),
  );

  test.for([...targets, manifest.bin.sparring])('has the file %s', async (file) => {
    expect((await stat(join(folder, file))).isFile()).toBe(true);
  });

  test('is imported by its name', async () => {
    const { stdout } = await evaluate(`
      const { audit } = await import('sparring');
      const builder = await import('sparring/builder');
      const runtime = await import('sparring/runtime');
      console.log(typeof audit, typeof builder.grad, typeof runtime.sweep);`);
    expect(stdout).toBe('function function function\n');
  });

  test('has the command, which knows its version', async () => {
    const { stdout } = await run(join(folder, manifest.bin.sparring), '--version');
    expect(stdout).toBe(`${manifest.version}\n`);
  });

  test('keeps int64 values', async () => {
    const { stdout } = await evaluate(`
      import { constant, identity } from 'sparring/builder';
      import { decode, encode } from 'sparring/onnx';
      const data = BigInt64Array.of(-1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n));
      const y = identity(constant({ dtype: 'int64', shape: [4], data }));
      const { graph } = decode(encode({ name: 'g', inputs: [], outputs: { y } }));
      console.log(...graph.outputs.y.source.inputs[0].source.tensor.data);`);
    expect(stdout).toBe('-1n 9007199254740993n 9223372036854775807n -9223372036854775808n\n');
  });

  test('runs the graph of the README', async () => {
    const readme = await readFile(join(root, 'README.md'), 'utf8');
    const [, script] = /^```ts\n(.*?)^```/ms.exec(readme)!;
    await writeFile(join(folder, 'demo.ts'), script!);
    const { stdout } = await run('--import', import.meta.resolve('tsx'), 'demo.ts');
    expect(stdout).toMatch(/Tanh[^]*MatMul/);
  });

  test('type-checks in a project that checks the types of its libraries too', async () => {
    await writeFile(
      join(folder, 'user.mts'),
      `import { audit, openClassifier, type AuditResult } from 'sparring';
       import { grad, input, reduceSum, type Graph } from 'sparring/builder';
       import { encode } from 'sparring/onnx';
       import { openModel } from 'sparring/runtime';
       const x = input('x', 'float32', [3]);
       const [dx] = grad(reduceSum(x), [x]);
       const graph: Graph = { name: 'user', inputs: [x], outputs: { dx: dx! } };
       export const model = openModel(encode(graph), { device: 'cpu', threads: 1 });
       const options = { eps: 0.1, attacks: ['noise', { method: 'pgd', steps: 3 }], signal: new AbortController().signal } as const;
       const measured = audit(await openClassifier(encode(graph)), { images: new Float32Array(3), labels: [0] }, options);
       export const result: AuditResult = await measured;
       export const accuracy: number | undefined = result.attacks['pgd']?.accuracy;
       // @ts-expect-error -- there is no such attack
       audit(await openClassifier(encode(graph)), { images: new Float32Array(3), labels: [0] }, { eps: 0.1, attacks: ['genie'] });`,
    );
    await writeFile(join(folder, 'program.mts'), userProgram);
    const options = ['--module', 'nodenext', '--target', 'es2023', '--lib', 'es2023,dom', '--types', 'node'];
    const { stdout } = await run(tsc, '--strict', '--noEmit', ...options, 'user.mts', 'program.mts').catch(
      (error: ExecFileException) => error,
    );
    expect(stdout).toBe('');
  });
});
