import { existsSync } from 'node:fs';
import { mkdtemp, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { input, matmul, sub } from '../../src/builder/index.ts';
import { encode } from '../../src/onnx/index.ts';
import { selfTestModel } from '../../src/models/selftest.ts';
import { cudaFolder, cudaLibraries, remedyFor } from '../../src/runtime/devices/cuda.ts';
import { chooseDevice, deviceNames, devices, InputError } from '../../src/runtime/index.ts';
import { sparring } from '../support/cli.ts';

// a probe is started with the flags of its parent, and must read TypeScript like it
process.execArgv.push('--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href);

const hasCudaProvider = existsSync(join(cudaFolder(), cudaLibraries[1]));
const reason = hasCudaProvider ? ' (skipped: the CUDA provider is installed here)' : '';

describe('the self-test of devices', () => {
  it('finds the CPU working, and says of every other that does not why, and the way out', async () => {
    const reports = await devices(selfTestModel());
    expect(reports.map(({ device }) => device)).toEqual(deviceNames);
    expect(reports[0]).toMatchObject({ device: 'cpu', works: true });
    for (const report of reports.filter((r) => !r.works)) {
      expect(report.reason).toMatch(/^.{10,200}$/);
      expect(report.remedy).toMatch(/^.{10,200}$/);
    }
  });

  it('is what the command prints, and it ends well', async () => {
    const { code, stdout } = await sparring(['devices'], { cwd: tmpdir() });
    expect(code).toBe(0);
    expect(stdout.trimEnd().split('\n')).toEqual(
      deviceNames.map((name) =>
        expect.stringMatching(new RegExp(`^${name} +(works: |does not work: .+; .+)`)),
      ),
    );
  });

  it('does not take a device whose model does not load', async () => {
    const x = input('x', 'float32', [256, 256]);
    const noFile = encode({ name: 'self-test', inputs: [x], outputs: { y: matmul(x, x) } }).slice(0, 40);
    const [cpu] = await devices(noFile);
    expect(cpu).toMatchObject({ works: false, remedy: 'reinstall onnxruntime-node for this platform' });
    await expect(chooseDevice('auto', noFile)).rejects.toThrow('no device works, not even the CPU');
  });

  it('does not take a device whose numbers are not finite', async () => {
    const x = input('x', 'float32', [256, 256]);
    let y = x;
    for (let i = 0; i < 8; i++) y = matmul(y, matmul(y, y));
    const [cpu] = await devices(encode({ name: 'self-test', inputs: [x], outputs: { y: sub(y, y) } }));
    expect(cpu).toMatchObject({ works: false, reason: 'the self-test gave numbers that are not finite' });
  });
});

describe.skipIf(hasCudaProvider || process.platform !== 'linux')(`CUDA without its provider${reason}`, () => {
  const line =
    '--device cuda does not work here: the CUDA provider library is not installed beside onnxruntime-node; with an ' +
    'NVIDIA GPU run: pnpm setup:cuda (CUDA 13), or: node node_modules/onnxruntime-node/script/install.js ' +
    '--onnxruntime-node-install=cuda12 (CUDA 12)';

  it('is refused with the way out', async () => {
    await expect(chooseDevice('cuda', selfTestModel())).rejects.toThrow(new InputError(line));
  });

  it('ends the command with that one line and exit code 2, and makes no run', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'sparring-devices-'));
    const { code, stdout, stderr } = await sparring(['train', '--device', 'cuda'], { cwd });
    expect(await readdir(cwd)).toEqual([]);
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: `sparring: ${line}\n` });
  });
});

describe('what CUDA needs', () => {
  it.each([
    [['libcuda.so.1'], 'install the NVIDIA driver'],
    [
      ['libcublasLt.so.13', 'libcurand.so.10'],
      'install the libraries of CUDA 13 (cuBLAS, cuRAND, CUDA runtime)',
    ],
    [
      ['libcublas.so.12', 'libcuda.so.1'],
      'install the NVIDIA driver and the libraries of CUDA 12 (cuBLAS, cuRAND, CUDA runtime)',
    ],
  ])('%s: %s', (missing, remedy) => {
    expect(remedyFor(missing)).toBe(remedy);
  });
});
