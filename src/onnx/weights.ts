import { decodeModel } from './decode.ts';
import { copyMessage, DataType, decodeMessage, encodeMessage, joined, type Decoded } from './proto.ts';
import { decodeTensor, elementName, isExternal, rawWith, type External } from './tensor.ts';

/** A weight of a file: an initializer of floating-point numbers. */
export interface FileWeight {
  readonly name: string;
  readonly shape: readonly number[];
  /** Its element type in the file: `float`, `float16`, `bfloat16` or `double`. */
  readonly element: string;
  /** Its numbers, rounded to float32 where they are longer. */
  readonly data: Float32Array;
}

const floats: ReadonlySet<number> = new Set([
  DataType.FLOAT,
  DataType.FLOAT16,
  DataType.BFLOAT16,
  DataType.DOUBLE,
]);

/** Operators whose inputs of floating-point numbers are settings, such as the factors of a Resize. */
const configured: ReadonlySet<string> = new Set(['Resize', 'Upsample']);

/**
 * The initializers of a model that may be weights: those of more than one floating-point number. Numbers in nodes
 * (`Constant`) and in the branches of an `If` are none of them.
 *
 * @throws Error in one line when one is damaged, or lies in a file that is not given.
 */
export function fileWeights(bytes: Uint8Array, external?: External): readonly FileWeight[] {
  const { graph, functions } = decodeModel(bytes);
  const nodes = [...(graph?.node ?? []), ...functions.flatMap(({ node }) => node)];
  const settings = new Set(nodes.flatMap(({ opType, input }) => (configured.has(opType) ? input : [])));
  return (graph?.initializer ?? [])
    .filter((tensor) => floats.has(tensor.dataType) && sizeOf(tensor) > 1 && !settings.has(tensor.name))
    .map((tensor) => ({
      name: tensor.name,
      shape: tensor.dims.map(Number),
      element: elementName(tensor.dataType),
      data: Float32Array.from(decodeTensor(tensor, external).data as Float32Array),
    }));
}

const sizeOf = ({ dims }: Decoded<'Tensor'>): number => dims.reduce((n, dim) => n * Number(dim), 1);

/** A model file and the files that its weights lie in, by the names that it gives them. */
export interface ModelFiles {
  readonly bytes: Uint8Array;
  readonly external: Readonly<Record<string, Uint8Array>>;
}

/** What a copy of a model has that the model has not. */
export interface Changes {
  /** New numbers of initializers, by name, row-major. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  /** Entries of its metadata; one of the same key is replaced. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** The new name of each file that weights lie in; the same when absent. */
  readonly rename?: (location: string) => string;
  /** The bits of the nearest float16. */
  readonly toHalf: (value: number) => number;
}

/**
 * A copy of a model with other weights. All else stays as it is, byte for byte: nodes, ports, versions, fields that this
 * program does not know. Numbers are rounded to the type that the file holds; one that is not changed keeps its bits.
 *
 * @throws Error in one line when there is no such initializer, or it shares bytes of a file with another.
 */
export function withWeights(
  { bytes, external }: ModelFiles,
  { weights, metadata = {}, rename = (location) => location, toHalf }: Changes,
): ModelFiles {
  const files = Object.fromEntries(
    Object.entries(external).map(([location, data]) => [location, new Uint8Array(data)]),
  );
  const places: Place[] = [];
  const changed = new Set<string>();
  const copyTensor = (message: Uint8Array): Uint8Array => {
    const tensor = decodeMessage('Tensor', message);
    const numbers = weights.get(tensor.name);
    const raw = numbers && rawWith(tensor, numbers, toHalf, (location) => external[location]!);
    if (raw) changed.add(tensor.name);
    if (isExternal(tensor)) {
      const place = placeOf(tensor);
      places.push({ ...place, isChanged: raw !== undefined });
      if (raw) files[place.location]!.set(raw, place.offset);
      return copyMessage('Tensor', message, {
        externalData: (entry) =>
          keyOf(entry) === 'location'
            ? encodeMessage('StringStringEntry', { key: 'location', value: rename(place.location) })
            : entry,
      });
    }
    if (!raw) return message;
    const others = { floatData: 'drop', int32Data: 'drop', doubleData: 'drop', rawData: 'drop' } as const;
    return joined([copyMessage('Tensor', message, others), encodeMessage('Tensor', { rawData: raw })]);
  };
  const copy = copyMessage('Model', bytes, {
    graph: (graph) => copyMessage('Graph', graph, { initializer: copyTensor }),
    metadataProps: (entry) => (keyOf(entry) in metadata ? null : entry),
  });
  const lacking = [...weights.keys()].find((name) => !changed.has(name));
  if (lacking !== undefined) throw new Error(`the model has no initializer ${lacking}`);
  demandApart(places);
  const metadataProps = Object.entries(metadata).map(([key, value]) => ({ key, value }));
  return {
    bytes: joined([copy, encodeMessage('Model', { metadataProps })]),
    external: Object.fromEntries(Object.entries(files).map(([location, data]) => [rename(location), data])),
  };
}

const keyOf = (entry: Uint8Array): string => decodeMessage('StringStringEntry', entry).key;

/** Where the bytes of a tensor lie in another file. */
interface Place {
  readonly name: string;
  readonly location: string;
  readonly offset: number;
  readonly length: number;
  readonly isChanged: boolean;
}

function placeOf({ name, externalData }: Decoded<'Tensor'>): Omit<Place, 'isChanged'> {
  const entries = new Map(externalData.map(({ key, value }) => [key, value]));
  const [offset, length] = [Number(entries.get('offset') ?? 0), Number(entries.get('length') ?? Infinity)];
  return { name, location: entries.get('location')!, offset, length };
}

function demandApart(places: readonly Place[]): void {
  for (const a of places.filter(({ isChanged }) => isChanged)) {
    const other = places.find(
      (b) =>
        b.name !== a.name &&
        b.location === a.location &&
        a.offset < b.offset + b.length &&
        b.offset < a.offset + a.length,
    );
    if (other) {
      throw new Error(
        `the initializers ${a.name} and ${other.name} share bytes of ${a.location}; export the model again`,
      );
    }
  }
}
