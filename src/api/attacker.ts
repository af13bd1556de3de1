import { describeModel } from '../onnx/index.ts';
import { attackerMetadata, AttackerCard } from '../runtime/attacker/card.ts';
import type { AttackerModel } from '../runtime/audit/oracle.ts';
import type { ImageShape, Trained } from '../runtime/attacks/index.ts';
import { naming } from './load.ts';
import type { Platform } from './platform.ts';

/** A trained attacker, read from its file. */
export interface LoadedAttacker extends AttackerModel {
  /** What it is called in messages. */
  readonly name: string;
  readonly kind: Trained;
  readonly image: ImageShape;
}

/**
 * Reads an attacker that `sparring train-attacker` wrote, or the attacker of a run of `sparring train`.
 *
 * @throws InputError in one line when it cannot be read or is none.
 */
export const loadAttacker = (platform: Platform, path: string): Promise<LoadedAttacker> =>
  naming(path, async () => {
    const attacker = await platform.read(path);
    const { metadata, inputs } = describeModel(attacker);
    const shape = inputs.find(({ name }) => name === 'image')?.shape;
    const own = parsed(metadata[attackerMetadata]);
    if (own !== undefined) {
      const { kind, eps, targeted, image } = AttackerCard.parse(own);
      return { name: path, attacker, kind, eps, targeted, image };
    }
    const eps = ofRun(metadata['sparring.program']);
    if (eps === null || shape?.length !== 4) {
      throw new Error('is no attacker of sparring; train one with sparring train-attacker');
    }
    const [, channels, height, width] = shape.map(Number);
    const image = { channels: channels!, height: height!, width: width! };
    return { name: path, attacker, kind: 'generator', eps, targeted: false, image };
  });

const parsed = (text: string | undefined): unknown => (text === undefined ? undefined : JSON.parse(text));

/** The eps of an attacker that a run wrote; null where a file is none. */
function ofRun(text: string | undefined): number | null {
  const { name, options } = (parsed(text) ?? {}) as {
    readonly name?: string;
    readonly options?: { readonly eps?: unknown };
  };
  return name === 'attacker' && typeof options?.eps === 'number' ? options.eps : null;
}
