import { AttributeType, encodeModel, type Message } from '../../src/builder/onnx.ts';
import { modelProto, valueInfo } from '../../src/builder/proto.ts';
import type { DType, Tensor } from '../../src/builder/index.ts';
import type { Plain } from '../browser/ort-training/page.ts';

/** Attributes as ONNX types them: whole numbers, lists of them, texts, and numbers with a point as `{ float }`. */
export type Attributes = Readonly<
  Record<string, number | string | readonly number[] | { readonly float: number }>
>;

/** Operators in ONNX Runtime's own domain; every other is in ONNX's, where its training build has MaxPoolGrad too. */
const isOwn = (op: string): boolean =>
  op !== 'MaxPoolGrad' && /Grad$|Internal$|^InPlaceAccumulatorV2$/.test(op);

const attribute = ([name, value]: readonly [string, Attributes[string]]): Message<'Attribute'> => {
  if (typeof value === 'number') return { name, type: AttributeType.INT, i: value };
  if (typeof value === 'string')
    return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) };
  if ('float' in value) return { name, type: AttributeType.FLOAT, f: value.float };
  return { name, type: AttributeType.INTS, ints: [...value] };
};

/** One node of a model: an empty output name leaves that output out. */
export const node = (
  op: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Attributes = {},
): Message<'Node'> => ({
  opType: op,
  domain: isOwn(op) ? 'com.microsoft' : '',
  name: `${op}/${output.find((name) => name !== '')}`,
  input: [...input],
  output: [...output],
  attribute: Object.entries(attributes).map(attribute),
});

export interface Port {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly (number | string)[];
}

/**
 * A model of ONNX's and ONNX Runtime's operators.
 *
 * @param inner types of values within: MaxPoolGrad reads the shape of its result from there.
 */
export const modelOf = (
  nodes: readonly Message<'Node'>[],
  inputs: readonly Port[],
  outputs: readonly Port[],
  {
    inner = [],
    initializer = [],
  }: { readonly inner?: readonly Port[]; readonly initializer?: readonly Message<'Tensor'>[] } = {},
): Message<'Model'> => {
  const info = ({ name, dtype, shape }: Port) => valueInfo(name, { dtype, shape });
  const model = modelProto({
    name: 'judge',
    node: [...nodes],
    input: inputs.map(info),
    output: outputs.map(info),
    valueInfo: inner.map(info),
    initializer,
  });
  return { ...model, opsetImport: [...model.opsetImport!, { domain: 'com.microsoft', version: 1 }] };
};

export const base64 = (model: Message<'Model'>): string => Buffer.from(encodeModel(model)).toString('base64');

/** A tensor as it crosses to the page. */
export const plain = ({ dtype, shape, data }: Tensor): Plain => ({
  type: dtype as Plain['type'],
  dims: shape,
  data: Array.from<number | bigint, number>(data, Number),
});
