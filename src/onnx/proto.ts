import protobuf from 'protobufjs/minimal.js';

const { Reader, Writer } = protobuf;

/**
 * The messages of an ONNX file: of each field its number and its type. From onnx.proto of ONNX 1.20 (IR 13); fields that
 * nobody here reads or writes are left out, and skipped in files. Fields stand in the order of their numbers, which is
 * the order in a file.
 */
const messages = {
  Model: {
    irVersion: [1, 'int64'],
    producerName: [2, 'string'],
    producerVersion: [3, 'string'],
    domain: [4, 'string'],
    modelVersion: [5, 'int64'],
    docString: [6, 'string'],
    graph: [7, 'Graph'],
    opsetImport: [8, 'OperatorSetId', 'repeated'],
    metadataProps: [14, 'StringStringEntry', 'repeated'],
    functions: [25, 'Function', 'repeated'],
  },
  Function: {
    name: [1, 'string'],
    input: [4, 'string', 'repeated'],
    output: [5, 'string', 'repeated'],
    attribute: [6, 'string', 'repeated'],
    node: [7, 'Node', 'repeated'],
    docString: [8, 'string'],
    opsetImport: [9, 'OperatorSetId', 'repeated'],
    domain: [10, 'string'],
    attributeProto: [11, 'Attribute', 'repeated'],
    overload: [13, 'string'],
  },
  OperatorSetId: { domain: [1, 'string'], version: [2, 'int64'] },
  StringStringEntry: { key: [1, 'string'], value: [2, 'string'] },
  Graph: {
    node: [1, 'Node', 'repeated'],
    name: [2, 'string'],
    initializer: [5, 'Tensor', 'repeated'],
    docString: [10, 'string'],
    input: [11, 'ValueInfo', 'repeated'],
    output: [12, 'ValueInfo', 'repeated'],
    valueInfo: [13, 'ValueInfo', 'repeated'],
    sparseInitializer: [15, 'SparseTensor', 'repeated'],
  },
  Node: {
    input: [1, 'string', 'repeated'],
    output: [2, 'string', 'repeated'],
    name: [3, 'string'],
    opType: [4, 'string'],
    attribute: [5, 'Attribute', 'repeated'],
    docString: [6, 'string'],
    domain: [7, 'string'],
    overload: [8, 'string'],
  },
  Attribute: {
    name: [1, 'string'],
    f: [2, 'float'],
    i: [3, 'int64'],
    s: [4, 'bytes'],
    t: [5, 'Tensor'],
    g: [6, 'Graph'],
    floats: [7, 'float', 'repeated'],
    ints: [8, 'int64', 'repeated'],
    strings: [9, 'bytes', 'repeated'],
    docString: [13, 'string'],
    type: [20, 'int32'],
    refAttrName: [21, 'string'],
    sparseTensor: [22, 'SparseTensor'],
  },
  Tensor: {
    dims: [1, 'int64', 'repeated'],
    dataType: [2, 'int32'],
    floatData: [4, 'float', 'repeated'],
    int32Data: [5, 'int32', 'repeated'],
    int64Data: [7, 'int64', 'repeated'],
    name: [8, 'string'],
    rawData: [9, 'bytes'],
    doubleData: [10, 'double', 'repeated'],
    uint64Data: [11, 'int64', 'repeated'],
    docString: [12, 'string'],
    externalData: [13, 'StringStringEntry', 'repeated'],
    dataLocation: [14, 'int32'],
  },
  SparseTensor: { values: [1, 'Tensor'], indices: [2, 'Tensor'], dims: [3, 'int64', 'repeated'] },
  ValueInfo: { name: [1, 'string'], type: [2, 'Type'], docString: [3, 'string'] },
  Type: { tensorType: [1, 'TensorType'], sequenceType: [4, 'SequenceType'], denotation: [6, 'string'] },
  TensorType: { elemType: [1, 'int32'], shape: [2, 'TensorShape'] },
  SequenceType: { elemType: [1, 'Type'] },
  TensorShape: { dim: [1, 'Dimension', 'repeated'] },
  // a dimension has a value or a parameter, never both
  Dimension: {
    dimValue: [1, 'int64', 'optional'],
    dimParam: [2, 'string', 'optional'],
    denotation: [3, 'string'],
  },
} as const;

/** ONNX's codes of element types. */
export const DataType = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  COMPLEX64: 14,
  COMPLEX128: 15,
  BFLOAT16: 16,
  FLOAT8E4M3FN: 17,
  FLOAT8E4M3FNUZ: 18,
  FLOAT8E5M2: 19,
  FLOAT8E5M2FNUZ: 20,
  UINT4: 21,
  INT4: 22,
  FLOAT4E2M1: 23,
} as const;

/** ONNX's codes of the types of attributes. */
export const AttributeType = {
  FLOAT: 1,
  INT: 2,
  STRING: 3,
  TENSOR: 4,
  GRAPH: 5,
  FLOATS: 6,
  INTS: 7,
  STRINGS: 8,
} as const;

type Messages = typeof messages;
type MessageName = keyof Messages;

/** A scalar, as it is written. */
interface Written {
  string: string;
  bytes: Uint8Array;
  float: number;
  double: number;
  int32: number;
  int64: number | bigint;
}
/** A scalar, as it is read: an int64 is always a bigint. */
interface Read extends Written {
  int64: bigint;
}
type ScalarName = keyof Written;

type WrittenOf<T> = T extends ScalarName ? Written[T] : T extends MessageName ? Message<T> : never;
type ReadOf<T> = T extends ScalarName ? Read[T] : T extends MessageName ? Decoded<T> : never;

/** A message to be written. Fields that are not there, or undefined, are not in the file. */
export type Message<N extends MessageName> = {
  readonly [K in keyof Messages[N]]?:
    | (Messages[N][K] extends readonly [number, infer T, 'repeated']
        ? readonly WrittenOf<T>[]
        : Messages[N][K] extends readonly [number, infer T, 'optional'?]
          ? WrittenOf<T>
          : never)
    | undefined;
};

/**
 * A message from a file. A scalar that is not there is 0 or empty, as protobuf defines it; an optional one and a message
 * are undefined.
 */
export type Decoded<N extends MessageName> = {
  readonly [K in keyof Messages[N]]: Messages[N][K] extends readonly [number, infer T, 'repeated']
    ? readonly ReadOf<T>[]
    : Messages[N][K] extends readonly [number, infer T extends ScalarName]
      ? ReadOf<T>
      : Messages[N][K] extends readonly [number, infer T, 'optional'?]
        ? ReadOf<T> | undefined
        : never;
};

/** The bytes of a model. Throws RangeError on a number that no int64 can be. */
export const encodeModel = (model: Message<'Model'>): Uint8Array =>
  write('Model', model, Writer.create()).finish();

/** The bytes of any message. */
export const encodeMessage = <N extends MessageName>(name: N, message: Message<N>): Uint8Array =>
  write(name, message, Writer.create()).finish();

/** What becomes of a field in a copy: `drop`, or for a message or bytes, what stands in the place of each; null for nothing. */
export type Change = 'drop' | ((bytes: Uint8Array) => Uint8Array | null);

/**
 * A copy of a message with some of its fields changed. All others are copied byte for byte, those that the table does not
 * know among them.
 */
export function copyMessage<N extends MessageName>(
  name: N,
  bytes: Uint8Array,
  changes: Readonly<Partial<Record<keyof Messages[N], Change>>>,
): Uint8Array {
  const reader = Reader.create(bytes);
  const writer = Writer.create();
  const { byId } = layouts.get(name)!;
  const parts: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    const change = changes[byId.get(tag >>> 3)?.key as keyof Messages[N]];
    if (change && change !== 'drop') {
      const part = change(reader.bytes());
      if (part) parts.push(writer.uint32(tag).bytes(part).finish());
      writer.reset();
    } else {
      reader.skipType(tag & 7);
      if (!change) parts.push(bytes.subarray(start, reader.pos));
    }
  }
  return joined(parts);
}

/** Bytes one after the other. Protobuf merges what a message holds twice, so that whole messages can be joined too. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** A model from its bytes. Throws when the bytes are none. */
export const decodeModel = (bytes: Uint8Array): Decoded<'Model'> =>
  read('Model', Reader.create(bytes), bytes.length) as Decoded<'Model'>;

/** A message by itself from its bytes, such as a tensor of test data. Throws when the bytes are none. */
export const decodeMessage = <N extends MessageName>(name: N, bytes: Uint8Array): Decoded<N> =>
  read(name, Reader.create(bytes), bytes.length) as Decoded<N>;

type Entry = readonly [id: number, type: ScalarName | MessageName, label?: 'repeated' | 'optional'];

/** A field of the table, with what a file has of it worked out once. */
interface Field {
  readonly key: string;
  readonly id: number;
  readonly type: ScalarName | MessageName;
  readonly repeated: boolean;
  /** How one value stands in a file (https://protobuf.dev/programming-guides/encoding). */
  readonly wireType: number;
  /** What a message has that was read without this field; a list is made anew each time. */
  readonly absent: unknown;
}

const wireTypes = { string: 2, bytes: 2, float: 5, double: 1, int32: 0, int64: 0 } as const;
const lengthDelimited = 2;
const defaults = { string: '', bytes: new Uint8Array(), float: 0, double: 0, int32: 0, int64: 0n } as const;

const isMessage = (type: string): type is MessageName => Object.hasOwn(messages, type);

const layouts = new Map(
  Object.entries(messages).map(([name, table]) => {
    const entries: readonly (readonly [string, Entry])[] = Object.entries(table);
    const fields = entries.map(([key, [id, type, label]]): Field => {
      const message = isMessage(type);
      return {
        key,
        id,
        type,
        repeated: label === 'repeated',
        wireType: message ? lengthDelimited : wireTypes[type],
        absent: message || label === 'optional' ? undefined : defaults[type],
      };
    });
    return [name as MessageName, { fields, byId: new Map(fields.map((field) => [field.id, field])) }];
  }),
);

function write(name: MessageName, message: object, writer: protobuf.Writer): protobuf.Writer {
  for (const { key, id, type, repeated, wireType } of layouts.get(name)!.fields) {
    const value: unknown = message[key as keyof typeof message];
    if (value === undefined) continue;
    const values = repeated ? (value as readonly unknown[]) : [value];
    if (repeated && wireType !== lengthDelimited) {
      if (values.length === 0) continue;
      writer.uint32((id << 3) | lengthDelimited).fork();
      for (const each of values) writeValue(type, each, writer);
      writer.ldelim();
    } else {
      for (const each of values) writeValue(type, each, writer.uint32((id << 3) | wireType));
    }
  }
  return writer;
}

function writeValue(type: Field['type'], value: unknown, writer: protobuf.Writer): void {
  if (isMessage(type)) write(type, value as object, writer.fork()).ldelim();
  else if (type === 'int64') writer.int64(halves(value as Written['int64']) as never);
  else writer[type](value as never);
}

/** No version of protobufjs writes a bigint: it becomes 0, without a word. All of them write the two halves of one. */
function halves(value: number | bigint) {
  const bits = BigInt(value);
  if (BigInt.asIntN(64, bits) !== bits) throw new RangeError(`${value} does not fit into an int64`);
  return {
    low: Number(BigInt.asIntN(32, bits)),
    high: Number(BigInt.asIntN(32, bits >> 32n)),
    unsigned: false,
  };
}

function read(name: MessageName, reader: protobuf.Reader, length: number): Record<string, unknown> {
  const end = reader.pos + length;
  const { fields, byId } = layouts.get(name)!;
  const message: Record<string, unknown> = {};
  for (const { key, repeated, absent } of fields) message[key] = repeated ? [] : absent;
  while (reader.pos < end) {
    const tag = reader.uint32();
    const wireType = tag & 7;
    const field = byId.get(tag >>> 3);
    if (!field) {
      reader.skipType(wireType);
      continue;
    }
    const { key, type, repeated } = field;
    if (wireType === field.wireType) {
      const value = readValue(type, reader);
      if (repeated) (message[key] as unknown[]).push(value);
      else message[key] = value;
    } else if (repeated && wireType === lengthDelimited) {
      const listEnd = reader.uint32() + reader.pos;
      while (reader.pos < listEnd) (message[key] as unknown[]).push(readValue(type, reader));
      if (reader.pos !== listEnd) throw new RangeError(`${name}.${key} ends too early`);
    } else {
      reader.skipType(wireType);
    }
  }
  if (reader.pos !== end) throw new RangeError(`${name} ends too early`);
  return message;
}

function readValue(type: Field['type'], reader: protobuf.Reader): unknown {
  if (isMessage(type)) return read(type, reader, reader.uint32());
  return type === 'int64' ? whole(reader.int64()) : reader[type]();
}

/** An int64 out of protobufjs, which gives a number where the package long is missing. */
function whole(value: number | { readonly low: number; readonly high: number }): bigint {
  if (typeof value !== 'number') {
    return BigInt.asIntN(64, (BigInt(value.high) << 32n) | BigInt(value.low >>> 0));
  }
  if (Number.isSafeInteger(value)) return BigInt(value);
  throw new RangeError(`int64 ${value} cannot be read exactly without the package long`);
}
