import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/runtime/errors.ts';
import {
  decodeSafetensors,
  encodeSafetensors,
  partedSafetensors,
  type PartedTensor,
  type Tensor,
} from '../../src/runtime/safetensors.ts';

const tensors = new Map<string, Tensor>([
  ['weight', { dtype: 'float32', shape: [2, 3], data: Float32Array.of(1, -2, 0.5, Infinity, -0, 1e-40) }],
  ['step', { dtype: 'int64', shape: [], data: BigInt64Array.of(-(2n ** 63n)) }],
  ['order', { dtype: 'int32', shape: [3], data: Int32Array.of(-1, 0, 2 ** 31 - 1) }],
  ['image', { dtype: 'uint8', shape: [1, 5], data: Uint8Array.of(0, 1, 127, 128, 255) }],
  ['flags', { dtype: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) }],
  ['empty', { dtype: 'float32', shape: [0, 4], data: new Float32Array() }],
]);
const metadata = { format: '1', note: 'naïve "β"\n' };

/** A file with the given header, be it right or wrong, over `size` bytes of data. */
function file(header: unknown, size = 0): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return new Uint8Array(Buffer.concat([length, json, Buffer.alloc(size)]));
}

function entry(begin: number, end: number, shape = [(end - begin) / 4], dtype = 'F32'): object {
  return { dtype, shape, data_offsets: [begin, end] };
}

describe('partedSafetensors', () => {
  const partsOf = async (parted: ReadonlyMap<string, PartedTensor>): Promise<Buffer> => {
    const parts: Uint8Array[] = [];
    for await (const part of partedSafetensors(parted, metadata)) parts.push(part);
    return Buffer.concat(parts);
  };
  const halves = ({ dtype, shape, data }: Tensor): PartedTensor => ({
    dtype,
    shape,
    parts: () => [data.subarray(0, 1), data.subarray(1)],
  });

  it('gives the bytes of encodeSafetensors', async () => {
    const parted = new Map([...tensors].map(([name, tensor]) => [name, halves(tensor)]));
    expect((await partsOf(parted)).equals(encodeSafetensors(tensors, metadata))).toBe(true);
  });

  it('rejects parts that are not as many numbers as the shape has', async () => {
    const short = { ...halves(tensors.get('weight')!), shape: [7] };
    await expect(partsOf(new Map([['weight', short]]))).rejects.toThrow('[7] takes 7 numbers, got 6');
  });
});

describe('encodeSafetensors', () => {
  it('and decodeSafetensors give back what went in', () => {
    const decoded = decodeSafetensors(encodeSafetensors(tensors, metadata), 'a.safetensors');
    expect(decoded.metadata).toEqual(metadata);
    expect(new Map(decoded.tensors)).toEqual(tensors);
  });

  it('writes the bytes that the format prescribes', () => {
    const one = new Map<string, Tensor>([
      ['b', { dtype: 'float32', shape: [1], data: Float32Array.of(1.5) }],
      ['a', { dtype: 'uint8', shape: [2], data: Uint8Array.of(7, 9) }],
    ]);
    const header =
      '{"__metadata__":{"k":"v"},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},' +
      '"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}';
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
    expect(Buffer.from(encodeSafetensors(one, { k: 'v' })).toString('latin1')).toBe(
      `${String.fromCharCode(padded.length)}${'\0'.repeat(7)}${padded}\u0007\u0009\0\0\u00c0\u003f`,
    );
  });

  it('writes the same bytes in whatever order tensors and strings come', () => {
    const reversed = new Map([...tensors].toReversed());
    const strings = { note: metadata.note, format: metadata.format };
    expect(encodeSafetensors(reversed, strings)).toEqual(encodeSafetensors(tensors, metadata));
  });

  it('begins the data at a multiple of 8', () => {
    for (const note of ['', 'x', 'xx', 'xxx', 'xxxx', 'xxxxx', 'xxxxxx', 'xxxxxxx']) {
      const length = new DataView(encodeSafetensors(tensors, { note }).buffer).getBigUint64(0, true);
      expect(length % 8n).toBe(0n);
    }
  });

  it('writes the elements of a view alone', () => {
    const data = Float32Array.of(1, 2, 3, 4).subarray(1, 3);
    const bytes = encodeSafetensors(new Map([['x', { dtype: 'float32', shape: [2], data }]]), {});
    expect(decodeSafetensors(bytes, 'x').tensors.get('x')?.data).toEqual(Float32Array.of(2, 3));
  });

  it('writes a file without tensors', () => {
    const decoded = decodeSafetensors(encodeSafetensors(new Map(), {}), 'x');
    expect(decoded).toEqual({ tensors: new Map(), metadata: {} });
  });

  it.each([
    ['another length', [3], Float32Array.of(1, 2)],
    ['another array type', [2], Int32Array.of(1, 2)],
  ])('refuses data of %s than its tensor', (_, shape, data) => {
    expect(() => encodeSafetensors(new Map([['x', { dtype: 'float32', shape, data }]]), {})).toThrow(
      /^tensor x: float32 \[\d\] takes a Float32Array of \d, got a \w+ of 2$/,
    );
  });

  it('refuses a tensor with the name that the format keeps for itself', () => {
    const reserved = new Map([['__metadata__', tensors.get('flags')!]]);
    expect(() => encodeSafetensors(reserved, {})).toThrow('must not be called __metadata__');
  });
});

describe('decodeSafetensors', () => {
  it('reads tensors that lie in the data in another order than in the header', () => {
    const bytes = file({ b: entry(4, 8), a: entry(0, 4) }, 8);
    new DataView(bytes.buffer).setFloat32(bytes.length - 4, 2.5, true);
    const decoded = decodeSafetensors(bytes, 'x').tensors;
    expect(decoded.get('a')?.data).toEqual(Float32Array.of(0));
    expect(decoded.get('b')?.data).toEqual(Float32Array.of(2.5));
  });

  it('reads the same at every alignment of the bytes in their buffer', () => {
    const bytes = encodeSafetensors(tensors, metadata);
    for (let offset = 0; offset < 8; offset++) {
      const shifted = new Uint8Array(bytes.length + 8).subarray(offset, offset + bytes.length);
      shifted.set(bytes);
      expect(new Map(decodeSafetensors(shifted, 'x').tensors)).toEqual(tensors);
    }
  });

  it('makes views, not copies, of aligned tensors', () => {
    const bytes = encodeSafetensors(new Map([['weight', tensors.get('weight')!]]), {});
    expect(decodeSafetensors(bytes, 'x').tensors.get('weight')?.data.buffer).toBe(bytes.buffer);
  });

  it('keeps a tensor that is called like a property of all objects', () => {
    const odd = new Map([['__proto__', tensors.get('weight')!]]);
    expect(new Map(decodeSafetensors(encodeSafetensors(odd, {}), 'x').tensors)).toEqual(odd);
  });

  const valid = encodeSafetensors(tensors, metadata);
  it.each<[string, Uint8Array, string]>([
    ['is empty', new Uint8Array(), '0 bytes, the length of the header alone takes 8'],
    ['ends in the header', valid.subarray(0, 50), 'in a file of 50 (truncated?)'],
    [
      'claims a header beyond all bounds',
      new Uint8Array(16).fill(255),
      'a header of 18446744073709551615 bytes',
    ],
    ['ends in the data', valid.subarray(0, -1), 'tensor weight: ends at byte 52 of the data, which has 51'],
    ['goes on after the data', new Uint8Array([...valid, 0, 0]), '2 trailing bytes after the last tensor'],
    ['has a header that is not JSON', file('{"a":'), 'the header is not JSON'],
    ['has a header that is not UTF-8', file('{"é":1}').with(10, 0xff), 'the header is not JSON'],
    ['has a list for a header', file([]), 'the header is not a JSON object'],
    ['has null for a header', file('null'), 'the header is not a JSON object'],
    ['has metadata other than strings', file({ __metadata__: { epoch: 3 } }), '__metadata__: epoch: '],
    [
      'has a tensor without a shape',
      file({ a: { dtype: 'F32', data_offsets: [0, 0] } }),
      'tensor a: shape: ',
    ],
    ['has a negative dimension', file({ a: entry(0, 4, [-1]) }, 4), 'tensor a: shape.0: '],
    ['has a fractional offset', file({ a: entry(0, 0.5, [1]) }, 4), 'tensor a: data_offsets.1: '],
    ['has an unknown field', file({ a: { ...entry(0, 4), size: 4 } }, 4), 'tensor a: '],
    [
      'has a dtype not known here',
      file({ a: entry(0, 2, [1], 'BF16') }, 2),
      'tensor a: dtype BF16 is none of F32, I64, I32, U8, BOOL',
    ],
    [
      'has offsets that do not match the shape',
      file({ a: entry(0, 8, [3]) }, 8),
      'tensor a: offsets 0..8 do not match F32 [3]',
    ],
    ['has offsets that run backwards', file({ a: entry(4, 0, [1]) }, 4), 'offsets 4..0 do not match'],
    ['has a shape beyond all bounds', file({ a: entry(0, 4, Array(40).fill(2 ** 52)) }, 4), 'do not match'],
    [
      'has tensors that overlap',
      file({ a: entry(0, 8), b: entry(4, 12) }, 12),
      'tensor b: begins at byte 4, inside the tensor before it',
    ],
    [
      'has a gap between tensors',
      file({ a: entry(0, 4), b: entry(8, 12) }, 12),
      'tensor b: begins at byte 8, after a gap from byte 4',
    ],
    [
      'has a truth value of 2',
      file({ a: entry(0, 1, [1], 'BOOL') }, 1).map((byte, index, all) =>
        index === all.length - 1 ? 2 : byte,
      ),
      'tensor a: BOOL bytes must be 0 or 1',
    ],
  ])('refuses a file that %s', (_, bytes, problem) => {
    let error: unknown;
    try {
      decodeSafetensors(bytes, 'state.safetensors');
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(InputError);
    const { message } = error as InputError;
    expect(message).toMatch(/^state\.safetensors: not a valid safetensors file: .*$/);
    expect(message).toContain(problem);
  });
});
