import { topologicalOrder, type AnyNode, type Graph, type Node, type Ops, type Value } from '../ir.ts';
import { gemm, matmul, reshape, transpose } from '../ops.ts';
import { rewrite } from '../rewrite.ts';

/** Channels, rows and columns that were flattened into the K of a product. */
type Flat = readonly [channels: number, height: number, width: number];

const channelsFirst = [0, 3, 1, 2];

/**
 * Images whose channels stand last are flattened as they stand, and the weights [M,K] that are multiplied with them are transposed
 * instead, in the forward product and in both gradients. There are few of them, and a transposition of images is one an image:
 * with several threads each wakes them all.
 */
export function flattenChannelsLast(graph: Graph): Graph {
  const flats = new Map<Value['source'], Flat>();
  for (const node of topologicalOrder(Object.values(graph.outputs))) {
    const flat = node.op === 'Gemm' && flattened(node.inputs[0]);
    if (flat && isPlainGemm(node as Node<'Gemm'>)) flats.set(node.inputs[1]!.source, flat.sizes);
  }
  if (flats.size === 0) return graph;
  return rewrite(graph, (node) => {
    if (node.op === 'Gemm') return forward(node as Node<'Gemm'>);
    if (node.op === 'MatMul') return weightGradient(node as Node<'MatMul'>);
    return node.op === 'Reshape' ? inputGradient(node, flats) : null;
  });
}

/** Images [N,H,W,C] that are read as [N,C*H*W]. */
function flattened(value: Value | null | undefined): { readonly images: Value; readonly sizes: Flat } | null {
  const turned = inputOf(value, 'Reshape');
  const images = inputOf(turned, 'Transpose');
  if (!turned || !images || value!.shape.length !== 2 || turned.shape[0] !== value!.shape[0]) return null;
  const { perm } = (turned.source as Node<'Transpose'>).attrs;
  const sizes = turned.shape.slice(1);
  if (perm?.join() !== channelsFirst.join() || sizes.some((size) => typeof size !== 'number')) return null;
  return { images, sizes: sizes as unknown as Flat };
}

function inputOf(value: Value | null | undefined, op: AnyNode['op']): Value | null {
  return value?.source.kind === 'node' && value.source.op === op ? value.source.inputs[0]! : null;
}

const isPlainGemm = ({ attrs: { alpha = 1, beta = 1, transA = 0, transB = 0 } }: Node<'Gemm'>): boolean =>
  alpha === 1 && beta === 1 && transA === 0 && transB === 1;

const lengthOf = ([channels, height, width]: Flat): number => channels * height * width;

/** [M,C*H*W] as [M,H*W*C]. */
function channelsLast(w: Value, [channels, height, width]: Flat): Value {
  const apart = reshape(w, [-1, channels, height * width]);
  return reshape(transpose(apart, [0, 2, 1]), [-1, lengthOf([channels, height, width])]);
}

function forward(node: Node<'Gemm'>): readonly Value[] | null {
  const [x, w, bias] = node.inputs;
  const flat = flattened(x);
  if (!flat || !isPlainGemm(node)) return null;
  const rows = reshape(flat.images, [-1, lengthOf(flat.sizes)]);
  return [gemm(rows, channelsLast(w, flat.sizes), bias ?? null, node.attrs)];
}

/** x^T dy [C*H*W,M] */
function weightGradient({ inputs: [xT, dy] }: Node<'MatMul'>): readonly Value[] | null {
  const flat = flattened(inputOf(xT, 'Transpose'));
  if (!flat || (xT.source as Node<'Transpose'>).attrs.perm?.[0] === 0) return null;
  const [channels, height, width] = flat.sizes;
  const rows = reshape(flat.images, [-1, lengthOf(flat.sizes)]);
  const product = matmul(transpose(rows, [1, 0]), dy);
  return [
    reshape(transpose(reshape(product, [height * width, channels, -1]), [1, 0, 2]), [
      lengthOf(flat.sizes),
      -1,
    ]),
  ];
}

/** dy w as images [N,C,H,W] */
function inputGradient(
  { inputs: [product], outputs: [y] }: AnyNode,
  flats: ReadonlyMap<Value['source'], Flat>,
): readonly Value[] | null {
  if (product?.source.kind !== 'node' || product.source.op !== 'MatMul') return null;
  const [dy, w] = product.source.inputs as Ops['MatMul']['inputs'];
  const flat = flats.get(w.source);
  if (!flat || y!.shape.slice(1).join() !== flat.join() || w.shape[1] !== lengthOf(flat)) return null;
  const [channels, height, width] = flat;
  return [
    transpose(reshape(matmul(dy, channelsLast(w, flat)), [-1, height, width, channels]), channelsFirst),
  ];
}
