import { buffer } from 'node:stream/consumers';
import { executionProvider, InferenceSession, OrtTensor } from '../ort.ts';
import type { Device, ProbeResult } from './index.ts';

/** The process that `devices()` starts for one device: reads a model, runs it, writes one line of JSON. */
const size = 256;

async function run(device: Device, model: Uint8Array): Promise<ProbeResult> {
  try {
    const session = await InferenceSession.create(model, {
      ...executionProvider(device),
      logSeverityLevel: 3,
      extra: { session: { disable_cpu_ep_fallback: device === 'cpu' ? '0' : '1' } },
    });
    const data = Float32Array.from({ length: size * size }, (_, i) => ((i * 7) % 13) / 13 - 0.5);
    const times: number[] = [];
    let sum = 0;
    for (let i = 0; i < 5; i++) {
      const start = performance.now();
      const { y } = await session.run({ x: new OrtTensor('float32', data, [size, size]) });
      times.push(performance.now() - start);
      sum = (y!.data as Float32Array).reduce((total, value) => total + value * value, 0);
      if (!Number.isFinite(sum)) return { error: 'the self-test gave numbers that are not finite' };
    }
    return { milliseconds: times.sort((a, b) => a - b)[2]!, sum };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

const result = await run(process.argv[2] as Device, await buffer(process.stdin));
process.stdout.write(`\n${JSON.stringify(result)}\n`);
