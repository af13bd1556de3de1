// The checkpoint of onnxruntime's training API: a FlatBuffer of the schema in ort_training_checkpoint.fbs, identifier
// ODTC. Field numbers are the positions in that schema's tables.
import { Builder, ByteBuffer } from 'flatbuffers';
import { InputError } from '../runtime/errors.ts';
import { elements, float32, type Tensor, type Tensors } from '../runtime/tensor.ts';

/** Adam as it stands. */
export interface OrtOptimizer {
  /** Steps taken. */
  readonly step: number;
  readonly learningRate: number;
  /** First and second moment of each trained parameter, by its name; both empty before the first step. */
  readonly first: Tensors;
  readonly second: Tensors;
}

/** What a checkpoint of onnxruntime's training API holds: float32 tensors by name. */
export interface OrtCheckpoint {
  /** Tensors that the optimizer moves. */
  readonly trainable: Tensors;
  /** Tensors without a gradient: running statistics, and the weights of frozen networks. */
  readonly frozen: Tensors;
  readonly optimizer: OrtOptimizer;
}

const identifier = 'ODTC';
/** The only version that onnxruntime 1.19 reads. */
const version = 2;
const floatType = 1;
const group = 'group0';
const moments = ['momentum0', 'momentum1'] as const;

const field = {
  tensor: { name: 0, dims: 2, dataType: 3, rawData: 4, count: 6 },
  moduleState: { trainable: 0, frozen: 1, count: 4 },
  optimizerState: { parameter: 0, moments: 1, count: 2 },
  optimizerGroup: { name: 0, step: 1, learningRate: 2, states: 3, count: 4 },
  checkpoint: { version: 0, moduleState: 1, optimizerGroups: 2, count: 4 },
} as const;

/** Writes a checkpoint. Tensors are sorted by name, so that equal content gives equal bytes. */
export function encodeOrtCheckpoint({ trainable, frozen, optimizer }: OrtCheckpoint): Uint8Array {
  const all = [trainable, frozen, optimizer.first, optimizer.second];
  const size = all.flatMap((tensors) => [...tensors.values()]).reduce((n, t) => n + t.data.byteLength, 0);
  const b = new Builder(size + 65_536);

  const offsets = (list: readonly number[]): number => {
    b.startVector(4, list.length, 4);
    for (const offset of list.toReversed()) b.addOffset(offset);
    return b.endVector();
  };
  const tensor = (name: string, { shape, data }: Tensor): number => {
    const rawData = b.createByteVector(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    b.startVector(8, shape.length, 8);
    for (const dim of shape.toReversed()) b.addInt64(BigInt(dim));
    const dims = b.endVector();
    const text = b.createString(name);
    b.startObject(field.tensor.count);
    b.addFieldOffset(field.tensor.name, text, 0);
    b.addFieldOffset(field.tensor.dims, dims, 0);
    b.addFieldInt32(field.tensor.dataType, floatType, 0);
    b.addFieldOffset(field.tensor.rawData, rawData, 0);
    return b.endObject();
  };
  const sorted = (tensors: Tensors) => [...tensors].sort(([a], [c]) => (a < c ? -1 : 1));
  const tensors = (named: Tensors): number => offsets(sorted(named).map(([name, t]) => tensor(name, t)));

  const states = sorted(optimizer.first).map(([name, first]) => {
    const pair = [first, optimizer.second.get(name)!];
    const list = offsets(pair.map((t, i) => tensor(moments[i]!, t)));
    const text = b.createString(name);
    b.startObject(field.optimizerState.count);
    b.addFieldOffset(field.optimizerState.parameter, text, 0);
    b.addFieldOffset(field.optimizerState.moments, list, 0);
    return b.endObject();
  });
  const stateList = offsets(states);
  const groupName = b.createString(group);
  b.startObject(field.optimizerGroup.count);
  b.addFieldOffset(field.optimizerGroup.name, groupName, 0);
  b.addFieldInt64(field.optimizerGroup.step, BigInt(optimizer.step), 0n);
  b.addFieldFloat32(field.optimizerGroup.learningRate, optimizer.learningRate, 0);
  b.addFieldOffset(field.optimizerGroup.states, stateList, 0);
  const groups = offsets([b.endObject()]);

  const trainableList = tensors(trainable);
  const frozenList = tensors(frozen);
  b.startObject(field.moduleState.count);
  b.addFieldOffset(field.moduleState.trainable, trainableList, 0);
  b.addFieldOffset(field.moduleState.frozen, frozenList, 0);
  const moduleState = b.endObject();

  b.startObject(field.checkpoint.count);
  b.addFieldInt32(field.checkpoint.version, version, 0);
  b.addFieldOffset(field.checkpoint.moduleState, moduleState, 0);
  b.addFieldOffset(field.checkpoint.optimizerGroups, groups, 0);
  b.finish(b.endObject(), identifier);
  return b.asUint8Array();
}

/**
 * Reads a checkpoint.
 *
 * @param path what to call the file in an error.
 * @throws InputError in one line when it is no such checkpoint, ends too early, or holds other tensors than float32.
 */
export function decodeOrtCheckpoint(bytes: Uint8Array, path: string): OrtCheckpoint {
  const fail = (problem: string): never => {
    throw new InputError(`${path}: ${problem}; export it again`);
  };
  if (bytes.length < 8 || new ByteBuffer(bytes).__has_identifier(identifier) !== true)
    fail(`is not a checkpoint of onnxruntime's training API (no ${identifier} at byte 4)`);
  const read = new Reader(bytes, () => fail('is truncated or damaged'));
  const root = read.root();
  const found = root.int32(field.checkpoint.version);
  if (found !== version) fail(`has checkpoint version ${found}, expected ${version}`);

  const tensor = (table: Table): readonly [string, Tensor] => {
    const name = table.string(field.tensor.name);
    const type = table.int32(field.tensor.dataType);
    if (type !== floatType)
      fail(`tensor ${name} has ONNX element type ${type}, expected ${floatType} (float32)`);
    const shape = table.int64s(field.tensor.dims);
    const data = table.bytes(field.tensor.rawData);
    if (data.length !== 4 * elements(shape))
      fail(`tensor ${name} has ${data.length} bytes, expected ${4 * elements(shape)} for [${shape.join()}]`);
    // a copy: a tensor in the file need not lie where a Float32Array may begin
    return [name, float32(shape, new Float32Array(new Uint8Array(data).buffer))];
  };
  const moduleState = root.table(field.checkpoint.moduleState);
  const trainable = new Map(moduleState.tables(field.moduleState.trainable).map(tensor));
  const frozen = new Map(moduleState.tables(field.moduleState.frozen).map(tensor));
  const [own] = root.tables(field.checkpoint.optimizerGroups);
  const states = (own?.tables(field.optimizerGroup.states) ?? []).map((state) => {
    const pair = new Map(state.tables(field.optimizerState.moments).map(tensor));
    const name = state.string(field.optimizerState.parameter);
    return moments.map((moment) => {
      const value = pair.get(moment);
      return [name, value ?? fail(`has no ${moment} of ${name}`)] as const;
    });
  });
  return {
    trainable,
    frozen,
    optimizer: {
      step: own?.int64(field.optimizerGroup.step) ?? 0,
      learningRate: own?.float32(field.optimizerGroup.learningRate) ?? 0,
      first: new Map(states.map(([first]) => first!)),
      second: new Map(states.map(([, second]) => second!)),
    },
  };
}

/** The library reads past the end without a word; this looks first. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly buffer: ByteBuffer;
  readonly #fail: () => never;

  constructor(bytes: Uint8Array, fail: () => never) {
    this.#bytes = bytes;
    this.buffer = new ByteBuffer(bytes);
    this.#fail = fail;
  }

  /** `position`, when `size` bytes from there lie in the file. */
  at(position: number, size: number): number {
    if (!(position >= 0 && position + size <= this.#bytes.length)) this.#fail();
    return position;
  }

  /** Where the offset at `position` points. */
  follow(position: number): number {
    return this.at(position + this.buffer.readUint32(this.at(position, 4)), 4);
  }

  slice(position: number, length: number): Uint8Array {
    return this.#bytes.subarray(this.at(position, length), position + length);
  }

  root(): Table {
    return new Table(this, this.follow(0));
  }
}

/** A table of a FlatBuffer; a field that it does not have reads as 0, empty or without tables. */
class Table {
  readonly #read: Reader;
  readonly #position: number;

  constructor(read: Reader, position: number) {
    this.#read = read;
    this.#position = position;
  }

  /** Where a field's value lies, or null. */
  #field(index: number, size: number): number | null {
    const { buffer } = this.#read;
    const table = this.#position - buffer.readInt32(this.#read.at(this.#position, 4));
    const end = buffer.readUint16(this.#read.at(table, 4));
    const entry = 4 + 2 * index;
    if (entry >= end) return null;
    const offset = buffer.readUint16(this.#read.at(table + entry, 2));
    return offset === 0 ? null : this.#read.at(this.#position + offset, size);
  }

  /** Where a vector's elements begin, and how many there are. */
  #vector(index: number, size: number): readonly [start: number, length: number] {
    const position = this.#field(index, 4);
    if (position === null) return [0, 0];
    const vector = this.#read.follow(position);
    const length = this.#read.buffer.readUint32(vector);
    return [this.#read.at(vector + 4, length * size), length];
  }

  int32(index: number): number {
    const position = this.#field(index, 4);
    return position === null ? 0 : this.#read.buffer.readInt32(position);
  }

  float32(index: number): number {
    const position = this.#field(index, 4);
    return position === null ? 0 : this.#read.buffer.readFloat32(position);
  }

  int64(index: number): number {
    const position = this.#field(index, 8);
    return position === null ? 0 : Number(this.#read.buffer.readInt64(position));
  }

  int64s(index: number): readonly number[] {
    const [start, length] = this.#vector(index, 8);
    return Array.from({ length }, (_, i) => Number(this.#read.buffer.readInt64(start + 8 * i)));
  }

  bytes(index: number): Uint8Array {
    return this.#read.slice(...this.#vector(index, 1));
  }

  string(index: number): string {
    return new TextDecoder().decode(this.bytes(index));
  }

  table(index: number): Table {
    const position = this.#field(index, 4);
    return new Table(this.#read, this.#read.follow(position ?? -1));
  }

  tables(index: number): readonly Table[] {
    const [start, length] = this.#vector(index, 4);
    return Array.from({ length }, (_, i) => new Table(this.#read, this.#read.follow(start + 4 * i)));
  }
}
