import { valuesOf, type ClassifierCard } from '../runtime/classifier-card.ts';
import { methodOf, shownAttacks } from './attacks.ts';
import type { Choice } from './choice.ts';
import type { Backend } from './engine/protocol.ts';
import type { Digit } from './samples.ts';

/**
 * A choice as the part of an address after `#`. A bundled digit is its index in the test set; another picture is all of
 * its pixels, compressed.
 */
export async function toHash(choice: Choice): Promise<string> {
  const { source, pixels, label, method, aim, eps, clip, bits, weights, series, backend } = choice;
  const parts: Record<string, string> = {
    ...(source.kind === 'digit'
      ? { digit: String(source.index) }
      : { pixels: await pack(Uint8Array.from(pixels, (v) => Math.round(255 * v))), name: source.name }),
    ...(label !== null && { label: String(label) }),
    attack: shownAttacks[method].id,
    ...(aim !== null && { aim: String(aim) }),
    eps: String(eps),
    clip: clip ? '1' : '0',
    bits: bits === 8 ? '8' : '32',
    weights,
    series,
    ...(backend && { backend }),
  };
  return new URLSearchParams(parts).toString();
}

/** What of a choice an address holds; parts that are missing or make no sense are left out. */
export async function fromHash(
  hash: string,
  digits: readonly Digit[],
  card: ClassifierCard,
): Promise<Partial<Choice>> {
  const parts = new URLSearchParams(hash.replace(/^#/, ''));
  const one = <T extends string>(name: string, values: readonly T[]): T | undefined =>
    values.find((value) => value === parts.get(name));
  const classIn = (name: string): number | null => {
    const text = parts.get(name) ?? '';
    return /^\d+$/.test(text) && Number(text) < card.classes ? Number(text) : null;
  };
  const [label, aim] = [classIn('label'), classIn('aim')];
  const method = methodOf(parts.get('attack'));
  const clip = one('clip', ['0', '1']);
  const bits = one('bits', ['8', '32']);
  const weights = one('weights', ['compact', 'full']);
  const backend = one<Backend>('backend', ['wasm', 'webgpu']);
  const series = parts.get('series');
  const eps = numberOf(parts.get('eps'));
  return {
    ...(await pictureOf(parts, digits, valuesOf(card.image))),
    ...(label !== null && { label }),
    ...(method && { method }),
    // a link that names an attack and no aim has none
    ...((aim !== null || method) && { aim }),
    ...(eps >= 0 && eps <= 1 && { eps }),
    // 8-bit pixels are valid ones: the page and the server clip them
    ...(bits === '8' ? { clip: true } : clip && { clip: clip === '1' }),
    ...(bits && { bits: bits === '8' ? (8 as const) : null }),
    ...(weights && { weights }),
    ...(series && { series }),
    ...(backend && { backend }),
  };
}

/** NaN where there is no number: `Number('')` would be 0. */
const numberOf = (text: string | null): number => (text?.trim() ? Number(text) : NaN);

/** @param size values of an image. */
async function pictureOf(
  parts: URLSearchParams,
  digits: readonly Digit[],
  size: number,
): Promise<Partial<Choice>> {
  const index = parts.get('digit');
  const digit = digits.find((d) => String(d.index) === index);
  if (digit) {
    return { source: { kind: 'digit', index: digit.index }, pixels: digit.pixels, label: digit.label };
  }
  const packed = parts.get('pixels');
  const bytes = packed === null ? null : await unpack(packed).catch(() => null);
  if (bytes?.length !== size) return {};
  return {
    source: { kind: 'own', name: parts.get('name') || 'drawing' },
    pixels: Float32Array.from(bytes, (byte) => byte / 255),
    label: null,
  };
}

/** Compressed, in the alphabet of addresses (RFC 4648, section 5). */
async function pack(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const packed = await through(bytes, new CompressionStream('deflate-raw'));
  return btoa(String.fromCharCode(...packed))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

async function unpack(text: string): Promise<Uint8Array> {
  const packed = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = Uint8Array.from(packed, (char) => char.charCodeAt(0));
  return await through(bytes, new DecompressionStream('deflate-raw'));
}

async function through(
  bytes: Uint8Array<ArrayBuffer>,
  stream: CompressionStream | DecompressionStream,
): Promise<Uint8Array> {
  const body = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(body).arrayBuffer());
}
