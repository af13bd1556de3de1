import type { SettingsOf } from '../attacks/index.ts';
import type { Tensors } from '../tensor.ts';
import { trainSurrogate, type SurrogateMaker } from './surrogate.ts';
import { partOf, type AuditEvent, type Work } from './work.ts';

/** A network that has learned a classifier's answers, and what that cost. */
export interface Trained {
  readonly weights: Tensors;
  /** Answers that it learned from. */
  readonly forward: number;
  readonly seconds: number;
}

/** Trains the network, or takes the one that was kept; null when it was stopped. */
export async function* trainedSurrogate(
  work: Work,
  settings: SettingsOf<'transfer'>,
  maker: SurrogateMaker,
): AsyncGenerator<AuditEvent, Trained | null> {
  const { parts, queries } = work;
  const kept = await parts.find(part);
  if (kept) {
    const { forward, seconds } = kept.metadata;
    return { weights: kept.tensors, forward: Number(forward), seconds: Number(seconds) };
  }
  const [started, asked] = [performance.now(), queries().forward];
  const weights = yield* trainSurrogate(work, settings, maker);
  if (!weights) return null;
  const forward = queries().forward - asked;
  const seconds = (performance.now() - started) / 1000;
  await parts.keep(
    part,
    partOf(Object.fromEntries(weights), { forward: String(forward), seconds: String(seconds) }),
  );
  return { weights, forward, seconds };
}

const part = 'surrogate';
