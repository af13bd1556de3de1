import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { InputError } from '../errors.ts';
import { missingCudaLibraries, remedyFor } from './cuda.ts';

/** Where programs can run. */
export const deviceNames = ['cpu', 'cuda', 'webgpu'] as const;
/** Where a program can run. */
export type Device = (typeof deviceNames)[number];

/** What a device did with a small self-test. */
export type DeviceReport =
  | {
      readonly device: Device;
      readonly works: true;
      /** Median of a self-test run. */ readonly milliseconds: number;
      /** Of the squares of its result. */ readonly sum: number;
    }
  | {
      readonly device: Device;
      readonly works: false;
      readonly reason: string;
      /** What a user can do about it. */
      readonly remedy: string;
    };

/**
 * Tries every device with a small model, each in a process of its own: a native library that writes to the terminal or
 * dies takes nothing with it.
 *
 * @param selfTest an ONNX model without inputs that are not fed: `x` [n,n] float32 -> `y`.
 */
export async function devices(selfTest: Uint8Array): Promise<readonly DeviceReport[]> {
  const reports: DeviceReport[] = [];
  let expected: number | undefined;
  for (const device of deviceNames) {
    // one after the other: two at a time would slow each other down
    const report = await probe(device, selfTest, expected);
    if (device === 'cpu' && report.works) expected = report.sum;
    reports.push(report);
  }
  return reports;
}

/**
 * The device to run on. `auto` is the fastest that passes the self-test; a named one must pass it.
 *
 * @throws InputError that says why a named device does not work here, and the way out.
 */
export async function chooseDevice(
  wanted: Device | 'auto',
  selfTest: Uint8Array,
): Promise<{ readonly device: Device; readonly why: string }> {
  if (wanted === 'cpu') return { device: 'cpu', why: 'as asked' };
  if (wanted !== 'auto') {
    const report = await probe(wanted, selfTest);
    if (report.works) return { device: wanted, why: 'as asked' };
    throw new InputError(`--device ${wanted} does not work here: ${report.reason}; ${report.remedy}`);
  }
  const working = (await devices(selfTest)).filter((report) => report.works);
  const [best, ...others] = working.toSorted((a, b) => a.milliseconds - b.milliseconds);
  if (!best)
    throw new Error('no device works, not even the CPU: reinstall onnxruntime-node for this platform');
  const time = (report: { milliseconds: number }): string => `${report.milliseconds.toFixed(1)} ms`;
  const rest = others.map((report) => `${report.device} ${time(report)}`).join(', ');
  return {
    device: best.device,
    why: others.length === 0 ? 'the only one that works here' : `self-test ${time(best)}; ${rest}`,
  };
}

/** The last line a probe writes to its standard output. */
export type ProbeResult =
  { readonly milliseconds: number; readonly sum: number } | { readonly error: string };

function probe(device: Device, selfTest: Uint8Array, expected?: number): Promise<DeviceReport> {
  const script = new URL(import.meta.url.endsWith('.ts') ? './probe.ts' : './probe.js', import.meta.url);
  const child = spawn(process.execPath, [...process.execArgv, fileURLToPath(script), device], {
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  child.stdin.on('error', () => {}).end(selfTest);
  let text = '';
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  return new Promise((resolve, reject) => {
    const fail = (failure: Failure): void => resolve({ device, works: false, ...failure });
    child.on('error', (error) => fail({ reason: error.message, remedy: remedies[device] }));
    child.on('close', (code, signal) => {
      const result = parse(text);
      const remedy = remedies[device];
      if (!result) {
        fail({ reason: `its self-test ended without an answer (${signal ?? `exit code ${code}`})`, remedy });
      } else if ('error' in result) explain(device, result.error, said).then(fail, reject);
      else if (expected !== undefined && Math.abs(result.sum / expected - 1) > 1e-3) {
        fail({ reason: `its numbers differ from the CPU's: ${result.sum} instead of ${expected}`, remedy });
      } else resolve({ device, works: true, ...result });
    });
  });
}

interface Failure {
  readonly reason: string;
  readonly remedy: string;
}

function parse(text: string): ProbeResult | null {
  try {
    return JSON.parse(text.trim().split('\n').at(-1)!) as ProbeResult;
  } catch {
    return null;
  }
}

const remedies: Readonly<Record<Device, string>> = {
  cpu: 'reinstall onnxruntime-node for this platform',
  cuda: 'see that nvidia-smi shows the GPU, or use another device',
  webgpu: 'install a Vulkan driver (Linux: libvulkan1 and the driver of your GPU)',
};

/** ONNX Runtime's message, and what it wrote to the terminal, in a user's words, and the way out. */
async function explain(device: Device, message: string, said: string): Promise<Failure> {
  if (device === 'cuda' && (process.platform !== 'linux' || process.arch !== 'x64')) {
    const reason = `ONNX Runtime for Node has CUDA on Linux x64 only, this is ${process.platform} ${process.arch}`;
    return { reason, remedy: 'use --device webgpu' };
  }
  const library = /([\w.+-]+\.so[.\d]*): cannot open shared object file/.exec(said)?.[1];
  if (library?.startsWith('libonnxruntime_providers')) {
    return {
      reason: 'the CUDA provider library is not installed beside onnxruntime-node',
      remedy:
        'with an NVIDIA GPU run: pnpm setup:cuda (CUDA 13), ' +
        'or: node node_modules/onnxruntime-node/script/install.js --onnxruntime-node-install=cuda12 (CUDA 12)',
    };
  }
  if (library && device === 'cuda') {
    const missing = await missingCudaLibraries();
    const names = missing.length > 0 ? missing : [library];
    const verb = names.length === 1 ? 'is' : 'are';
    return { reason: `${names.join(', ')} ${verb} not installed on this machine`, remedy: remedyFor(names) };
  }
  const reason = message.includes('No supported adapters')
    ? 'no WebGPU adapter was found'
    : message.split('\n', 1)[0]!;
  return { reason, remedy: remedies[device] };
}
