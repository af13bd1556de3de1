import type { Send } from '../../engine/late.ts';
import { macrotask } from '../../engine/macrotask.ts';
import { lineOf } from '../../engine/prepare.ts';
import type { StartRequest } from '../../engine/protocol.ts';
import { findWebGpu } from '../../engine/webgpu.ts';
import type { SparSettings, Speed } from '../settings.ts';
import { Arena, schoolSteps, type Machine } from './arena.ts';
import { fetchDigits } from './digits.ts';
import type { SparReply, SparRequest } from './protocol.ts';

/** Steps between two measurements, by speed. */
const measureEvery: { readonly [S in Speed]: number } = { slow: 1, normal: 5, fast: 20 };
/** At `slow`, in milliseconds. */
const pauseOfSlow = 1000;
/** Both classifiers are alike in school, and nothing much happens. */
const measureSchoolEvery = 10;

/** Trains and measures as it is told. What is told is done between two steps. */
export async function sparWork(
  send: Send<SparReply>,
  { backend, threads, base }: StartRequest,
): Promise<(request: SparRequest) => void> {
  const digits = await fetchDigits(base);
  const machine = await machineOf(backend);
  send({ kind: 'loaded', train: digits.train.count, test: digits.test.count });
  let arena: Arena | null = null;
  let settings: SparSettings | null = null;
  let playing = false;
  let working = false;
  /** What was told and not done yet. */
  const told: SparRequest[] = [];
  /** Called when something is told: ends a pause. */
  let wake = (): void => {};

  const measure = async (): Promise<void> => {
    const found = await arena!.measure();
    send({ kind: 'measured', ...found }, [
      found.ring.original.buffer,
      found.ring.attacked.buffer,
    ] as ArrayBuffer[]);
  };
  const isDue = (): boolean => {
    const { step, phase } = arena!;
    // the first, so that there is something to see at once
    if (step === 1 || step === schoolSteps) return true;
    const every = phase === 'school' ? measureSchoolEvery : measureEvery[settings!.speed];
    return step % every === 0;
  };
  const step = async (isSingle: boolean): Promise<void> => {
    const { phase } = arena!;
    const started = performance.now();
    await arena!.train();
    const milliseconds = performance.now() - started;
    const left = Math.max(0, schoolSteps - arena!.step);
    send({ kind: 'stepped', phase, step: arena!.step, left, milliseconds });
    if (isSingle || isDue()) await measure();
  };
  const obey = async (request: SparRequest): Promise<void> => {
    switch (request.kind) {
      case 'restart':
        await arena?.close();
        ({ settings } = request);
        arena = new Arena(digits, { machine, threads }, settings);
        break;
      case 'change':
        ({ settings } = request);
        await arena!.change(settings);
        break;
      case 'play':
        playing = true;
        break;
      case 'pause':
        playing = false;
        break;
      case 'step':
        playing = false;
        await step(true);
        break;
      default:
        request satisfies never;
    }
  };
  const work = async (): Promise<void> => {
    working = true;
    try {
      for (;;) {
        for (let request = told.shift(); request; request = told.shift()) await obey(request);
        if (!playing || !arena) break;
        await step(false);
        if (settings!.speed === 'slow' && arena.phase === 'spar') await pause();
        else await macrotask();
      }
    } catch (error) {
      playing = false;
      send({ kind: 'broken', message: lineOf(error) });
    }
    working = false;
  };
  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, pauseOfSlow);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  return (request) => {
    // a newer restart makes all before it needless
    if (request.kind === 'restart') told.length = 0;
    told.push(request);
    wake();
    if (!working) void work();
  };
}

async function machineOf(backend: StartRequest['backend']): Promise<Machine> {
  if (backend === 'wasm') return 'cpu';
  return (await findWebGpu()) === 'software' ? 'software' : 'webgpu';
}
