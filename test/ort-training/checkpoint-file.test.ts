import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/runtime/errors.ts';
import {
  decodeOrtCheckpoint,
  encodeOrtCheckpoint,
  type OrtCheckpoint,
} from '../../src/ort-training/checkpoint-file.ts';
import { float32 } from '../../src/runtime/tensor.ts';

const weight = float32([2, 3], Float32Array.of(1, -2, 0.5, 3, -0, 1e-40));
const bias = float32([1], Float32Array.of(7));
const mean = float32([2], Float32Array.of(0.25, -0.25));
const checkpoint: OrtCheckpoint = {
  trainable: new Map([
    ['a/weight', weight],
    ['a/bias', bias],
  ]),
  frozen: new Map([['a/running_mean', mean]]),
  optimizer: {
    step: 12,
    learningRate: Math.fround(2e-4),
    first: new Map([
      ['a/weight', weight],
      ['a/bias', bias],
    ]),
    second: new Map([
      ['a/weight', weight],
      ['a/bias', bias],
    ]),
  },
};
const fresh = { ...checkpoint, optimizer: { step: 0, learningRate: 0, first: new Map(), second: new Map() } };

/** What decoding says of bytes that it refuses. */
function refusal(bytes: Uint8Array): string {
  try {
    decodeOrtCheckpoint(bytes, 'out/checkpoint');
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  throw new Error('it was read');
}

describe('encodeOrtCheckpoint', () => {
  it.each([
    ['with the optimizer', checkpoint],
    ['before the first step', fresh],
  ])('and decodeOrtCheckpoint give back what went in, %s', (_, content) => {
    expect(decodeOrtCheckpoint(encodeOrtCheckpoint(content), 'x')).toEqual(content);
  });

  it('is read from a Buffer that begins in the middle of another as well', () => {
    const bytes = encodeOrtCheckpoint(checkpoint);
    const inside = Buffer.concat([Buffer.alloc(3), bytes]).subarray(3);
    expect(decodeOrtCheckpoint(inside, 'x')).toEqual(checkpoint);
  });

  it('writes the same bytes in whatever order the tensors come', () => {
    const reversed = { ...checkpoint, trainable: new Map([...checkpoint.trainable].toReversed()) };
    expect(encodeOrtCheckpoint(reversed)).toEqual(encodeOrtCheckpoint(checkpoint));
  });

  it('marks the file as ODTC, version 2', () => {
    const bytes = encodeOrtCheckpoint(fresh);
    expect(Buffer.from(bytes.subarray(4, 8)).toString('latin1')).toBe('ODTC');
  });
});

describe('decodeOrtCheckpoint', () => {
  it('refuses a file cut off anywhere, in one line that names it', () => {
    const bytes = encodeOrtCheckpoint(checkpoint);
    for (let length = 0; length < bytes.length; length++) {
      expect(refusal(bytes.slice(0, length)), `${length} bytes`).toMatch(
        /^out\/checkpoint: [^\n]*; export it again$/,
      );
    }
    expect(refusal(bytes.slice(0, bytes.length - 1))).toBe(
      'out/checkpoint: is truncated or damaged; export it again',
    );
  });

  it('refuses what is no such file', () => {
    expect(refusal(new TextEncoder().encode('PK some other file'))).toBe(
      "out/checkpoint: is not a checkpoint of onnxruntime's training API (no ODTC at byte 4); export it again",
    );
  });

  it('refuses a tensor whose bytes do not fill its shape', () => {
    const wrong = { ...fresh, trainable: new Map([['w', { ...weight, shape: [2, 4] }]]) };
    expect(refusal(encodeOrtCheckpoint(wrong))).toBe(
      'out/checkpoint: tensor w has 24 bytes, expected 32 for [2,4]; export it again',
    );
  });
});
