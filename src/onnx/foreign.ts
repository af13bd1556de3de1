import { constantNumbers, type DType, type Tensor, type Value } from '../builder/ir.ts';
import { knownNumbers } from '../builder/evaluate.ts';
import { dimsOf } from '../builder/dims.ts';
import type { Dim } from '../builder/shape.ts';
import { AttributeType, type Decoded } from './proto.ts';
import { elementName, isElement } from './tensor.ts';

/** A node of a file as an importer sees it: its inputs as values, and its attributes by name and type. */
export interface Foreign {
  /** The operator, with its domain before it where it is not ONNX's own: `com.microsoft.Gelu`. */
  readonly op: string;
  /** Version of the operator set that the node is written in. */
  readonly opset: number;
  /** Which of the node's outputs the file names. */
  readonly outputs: readonly boolean[];
  /** All inputs; null for one that is left out. */
  readonly given: readonly (Value | null)[];
  /** All inputs of an operator that takes any number of them. */
  readonly inputs: readonly Value[];
  /** The first input. */
  readonly x: Value;
  /** An input that must be there. */
  readonly at: (index: number) => Value;
  /** An input that may be left out. */
  readonly maybe: (index: number) => Value | null;
  /** The numbers of an input that holds some, such as axes; undefined when it is left out. Throws when they are computed. */
  readonly numbers: (index: number) => readonly number[] | undefined;
  /** The numbers of an input that must be there. */
  readonly known: (index: number) => readonly number[];
  /** The element type that a constant input has in the file, such as `int8`, which the builder holds in a wider one. */
  readonly element: (index: number) => string | undefined;
  /** The sizes that an input holds, open ones among them. Throws when they are not known. */
  readonly dims: (index: number) => readonly Dim[];

  /** Names of all attributes, in the file's order. */
  readonly attributes: readonly string[];
  readonly int: Attribute<number>;
  readonly float: Attribute<number>;
  readonly text: Attribute<string>;
  readonly ints: (name: string) => readonly number[] | undefined;
  readonly floats: (name: string) => readonly number[] | undefined;
  readonly strings: (name: string) => readonly string[] | undefined;
  readonly tensor: (name: string) => Tensor | undefined;
  readonly dtype: (name: string) => DType | undefined;
}

/** Reads an attribute by name: the default, or undefined, where the node does not have it. */
interface Attribute<T> {
  (name: string): T | undefined;
  (name: string, otherwise: T): T;
}

/** An attribute that must be there. */
export function needed<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`attribute ${name} is missing`);
  return value;
}

/** Makes a node of a file of the builder's values; an operator with several outputs gives them in order. */
export type Importer = (node: Foreign) => Value | readonly (Value | null)[];

/** An operator's importers by the opset that brought each form: the newest that is not above the file's is taken. */
export type Versions = Readonly<Record<number, Importer>>;
export type Family = Readonly<Record<string, Versions>>;

const typeNames: Readonly<Record<number, string>> = {
  [AttributeType.INT]: 'int',
  [AttributeType.FLOAT]: 'float',
  [AttributeType.INTS]: 'ints',
  [AttributeType.FLOATS]: 'floats',
  [AttributeType.STRING]: 'string',
  [AttributeType.STRINGS]: 'strings',
  [AttributeType.TENSOR]: 'tensor',
};

/** What reading a node needs of the file. */
export interface Types {
  readonly dtypeOf: (code: number, what: string) => DType;
  readonly tensorOf: (tensor: Decoded<'Tensor'>) => Tensor;
  /** The file's element type of a tensor that was read from it. */
  readonly elementOf: (tensor: Tensor) => string | undefined;
}

/** A node for its importer, and the names of the attributes that nobody has read so far. */
export function foreign(
  node: Decoded<'Node'>,
  { op, opset, given }: Pick<Foreign, 'op' | 'opset' | 'given'>,
  types: Types,
): { readonly node: Foreign; readonly unread: () => readonly string[] } {
  const unread = new Set(node.attribute.map(({ name }) => name));
  const find = (name: string, type: number): Decoded<'Attribute'> | undefined => {
    const attribute = node.attribute.find((a) => a.name === name);
    unread.delete(name);
    // files of the first versions do not say the type
    if (attribute && attribute.type !== type && attribute.type !== 0) {
      throw new Error(`attribute ${name} must be ${typeNames[type]}, and has another type`);
    }
    return attribute;
  };
  const at = (index: number): Value => {
    const value = given[index];
    if (!value) throw new Error(`input ${index + 1} is missing`);
    return value;
  };
  const known = (index: number): readonly number[] => {
    const numbers = knownNumbers(at(index));
    if (!numbers) throw new Error(`input ${index + 1} must be a constant, and is computed`);
    return numbers;
  };
  const decoder = new TextDecoder();
  const own = {
    op,
    opset,
    given,
    attributes: node.attribute.map(({ name }) => name),
    outputs: node.output.map((name) => name !== ''),
    get inputs() {
      return given.map((_, i) => at(i));
    },
    get x() {
      return at(0);
    },
    at,
    maybe: (index: number) => given[index] ?? null,
    numbers: (index: number) => (given[index] ? known(index) : undefined),
    known,
    dims(index: number) {
      const value = at(index);
      const dims = dimsOf(value) ?? constantNumbers(value);
      if (!dims) throw new Error(`input ${index + 1} holds sizes that are not known; bind the open ones`);
      return dims;
    },
    element: (index: number) => {
      const { source } = at(index);
      return source.kind === 'constant' ? types.elementOf(source.tensor) : undefined;
    },
    int: (name: string, otherwise?: number) => {
      const found = find(name, AttributeType.INT);
      return found ? Number(found.i) : otherwise;
    },
    float: (name: string, otherwise?: number) => find(name, AttributeType.FLOAT)?.f ?? otherwise,
    ints: (name: string) => find(name, AttributeType.INTS)?.ints.map(Number),
    floats: (name: string) => find(name, AttributeType.FLOATS)?.floats,
    text: (name: string, otherwise?: string) => {
      const found = find(name, AttributeType.STRING);
      return found ? decoder.decode(found.s) : otherwise;
    },
    strings: (name: string) => find(name, AttributeType.STRINGS)?.strings.map((s) => decoder.decode(s)),
    tensor: (name: string) => {
      const found = find(name, AttributeType.TENSOR)?.t;
      return found && types.tensorOf(found);
    },
    dtype: (name: string) => {
      const code = find(name, AttributeType.INT)?.i;
      if (code === undefined) return undefined;
      if (!isElement(Number(code))) {
        throw new Error(`attribute ${name} is ${elementName(Number(code))}, which is not supported`);
      }
      return types.dtypeOf(Number(code), `attribute ${name}`);
    },
  };
  return { node: own as Foreign, unread: () => [...unread] };
}
