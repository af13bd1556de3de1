import { traits } from '../attributes.ts';
import type { AnyNode, Node, Value, Window } from '../ir.ts';
import { geometry } from '../window.ts';
import { payAcrossBatch } from './across.ts';
import { hasPhases } from './frozen.ts';
import { mostlyPadding } from './groups.ts';
import { payInPairs } from './pairs.ts';
import { payAtPoints } from './points.ts';
import { tiles } from './pool.ts';
import { isChannelsLast } from './rows.ts';

/** What a graph is lowered for. `software` is a WebGPU that a processor computes, such as SwiftShader's. */
export type Target = 'plain' | 'cpu' | 'webgpu' | 'software' | 'cuda';

/** Where a row applies: `frozen` is the target `cpu` for a classifier with its weights inside and its input gradient. */
export type Place = Target | 'frozen';

/** How an operator is written down. */
export type Form =
  | 'as it is'
  | 'body'
  | 'input'
  | 'scatter'
  | 'masks'
  | 'unpool'
  | 'taps'
  | 'mean'
  | 'scale and shift'
  | 'swapped convolution'
  | 'gemm'
  | 'phases'
  | 'columns'
  | 'flip'
  | 'groups'
  | 'points'
  | 'across the batch'
  | 'pairs'
  | 'rows'
  | 'convolutions'
  | 'two groups';

/** The form of a node in a place: the first row that fits. */
export function formOf(node: AnyNode, place: Place): Form {
  return (
    table.find(
      (row) => row.op === node.op && (!row.on || row.on.includes(place)) && (!row.if || row.if(facts(node))),
    )?.form ?? 'as it is'
  );
}

interface Row {
  readonly op: AnyNode['op'];
  readonly on?: readonly Place[];
  readonly if?: (facts: Facts) => boolean;
  readonly form: Form;
}

/** What a choice may depend on. */
interface Facts {
  readonly group: number;
  /** Plain two-dimensional geometry: one group, no dilation. */
  readonly plain: boolean;
  /** Pooling windows that tile the image, as the masks need them. */
  readonly tiles: boolean;
  /** The image stands with its channels last already. */
  readonly channelsLast: boolean;
  /** A convolution of stride 1 over images of even width whose product over pairs of pixels pays. */
  readonly inPairs: boolean;
  /** A transposed convolution that is one convolution a phase. */
  readonly hasPhases: boolean;
  readonly kernel: number;
  readonly stride: number;
  readonly dtype: Value['dtype'];
  /** Every pad is smaller than the kernel. */
  readonly padsInside: boolean;
  /** The kernel is as long as the stride or longer, so that every phase of outputs meets a tap. */
  readonly covers: boolean;
  /** A product over the whole kernel would multiply much padding, and its groups of taps are large enough to pay. */
  readonly mostlyPadding: boolean;
  /** A strided convolution that takes less time at points, or as a product across the batch. */
  readonly atPoints: boolean;
  readonly acrossBatch: boolean;
  readonly inputChannels: number;
  readonly outputChannels: number;
}

/** Targets whose convolutions are matrix products. */
const lowered: readonly Place[] = ['cpu', 'webgpu', 'cuda'];

const table: readonly Row[] = [
  { op: 'StopGradient', form: 'input' },
  { op: 'Loop', form: 'body' },
  // on CUDA, convolutions, pools and batch norm of ONNX need cuDNN, which users of ONNX Runtime rarely have
  { op: 'MaxPool', on: ['cuda'], if: (f) => f.tiles, form: 'taps' },
  { op: 'AveragePool', on: ['cuda'], if: (f) => f.tiles, form: 'taps' },
  { op: 'GlobalAveragePool', on: ['cuda'], form: 'mean' },
  { op: 'BatchNormalization', on: ['cuda'], form: 'scale and shift' },
  { op: 'Conv', on: ['cuda'], if: (f) => f.plain, form: 'gemm' },
  { op: 'ConvTranspose', on: ['cuda'], if: (f) => f.plain && f.covers, form: 'phases' },
  { op: 'MaxPool', on: ['cpu'], if: (f) => f.tiles && f.channelsLast, form: 'rows' },
  { op: 'MaxPoolGrad', on: ['cpu'], if: (f) => f.tiles && f.channelsLast, form: 'rows' },
  { op: 'MaxPoolGrad', on: ['webgpu', 'software', 'cuda'], if: (f) => f.tiles, form: 'masks' },
  { op: 'MaxPoolGrad', on: ['cpu', 'frozen'], if: (f) => f.tiles && f.dtype === 'float32', form: 'unpool' },
  { op: 'MaxPoolGrad', form: 'scatter' },
  // ONNX Runtime multiplies for each image by itself here, which pays where blocks of 16 channels would be mostly empty
  { op: 'ConvTranspose', on: ['frozen'], if: (f) => f.kernel > 1 && f.outputChannels < 8, form: 'as it is' },
  // every output has one tap
  { op: 'ConvTranspose', on: ['frozen'], if: (f) => f.stride > 1 && f.kernel <= f.stride, form: 'as it is' },
  { op: 'ConvTranspose', on: ['frozen'], if: (f) => f.hasPhases, form: 'convolutions' },
  { op: 'ConvWeightGrad', on: ['cpu'], if: (f) => f.atPoints, form: 'points' },
  { op: 'ConvWeightGrad', on: ['cpu'], if: (f) => f.acrossBatch, form: 'across the batch' },
  { op: 'Conv', on: ['cpu'], if: (f) => f.atPoints, form: 'points' },
  { op: 'Conv', on: ['cpu'], if: (f) => f.acrossBatch, form: 'across the batch' },
  { op: 'ConvTranspose', on: ['cpu'], if: (f) => f.atPoints, form: 'points' },
  { op: 'ConvTranspose', on: ['cpu'], if: (f) => f.acrossBatch, form: 'across the batch' },
  { op: 'ConvWeightGrad', on: ['cpu'], if: (f) => f.plain && f.mostlyPadding, form: 'groups' },
  { op: 'ConvWeightGrad', on: ['cpu'], if: (f) => f.inPairs, form: 'pairs' },
  // one input channel gathers single numbers: the native form is quicker there (2.5 ms against 15 at 28x28)
  { op: 'ConvWeightGrad', on: ['cpu'], if: (f) => f.plain && f.inputChannels > 1, form: 'gemm' },
  { op: 'ConvWeightGrad', on: ['webgpu', 'cuda'], if: (f) => f.plain, form: 'gemm' },
  { op: 'ConvWeightGrad', form: 'swapped convolution' },
  { op: 'Conv', on: ['cpu'], if: (f) => f.plain && f.mostlyPadding, form: 'groups' },
  { op: 'Conv', on: ['cpu'], if: (f) => f.inPairs, form: 'pairs' },
  { op: 'Conv', on: lowered, if: (f) => f.plain && f.stride > 1, form: 'gemm' },
  // the kernels of products wait at barriers in every tile, which takes a processor five times as long as the products
  { op: 'Conv', on: ['software'], if: (f) => f.group === 1 && f.inputChannels > 0, form: 'two groups' },
  { op: 'ConvTranspose', on: ['cpu'], if: (f) => f.inPairs && f.padsInside, form: 'pairs' },
  // a product of one row an image each, or of a few
  { op: 'ConvTranspose', on: ['cpu'], if: (f) => f.stride === 1 && f.outputChannels < 8, form: 'as it is' },
  { op: 'ConvTranspose', on: lowered, if: (f) => f.plain && f.stride === 1 && f.padsInside, form: 'flip' },
  { op: 'ConvTranspose', on: ['cpu'], if: (f) => f.plain && f.mostlyPadding, form: 'groups' },
  {
    op: 'ConvTranspose',
    on: lowered,
    if: (f) => f.plain && (f.outputChannels <= f.inputChannels || !f.covers),
    form: 'columns',
  },
  { op: 'ConvTranspose', on: lowered, if: (f) => f.plain, form: 'phases' },
];

function facts(node: AnyNode): Facts {
  const [x, w] = node.inputs as readonly [Value, Value];
  const [y] = node.outputs as readonly [Value];
  const attrs = node.attrs as Window;
  const kernel = attrs.kernel_shape ?? (w.shape.slice(2) as readonly number[]);
  const g = geometry(node.op, kernel, attrs);
  const { group = 1 } = attrs;
  const plain = kernel.length === 2 && group === 1 && g.dilations.every((d) => d === 1);
  return {
    group,
    plain,
    channelsLast: isChannelsLast(x),
    inPairs: plain && payInPairs(node, g),
    tiles: traits[node.op].pool === true && tiles(node as Node<'MaxPool' | 'MaxPoolGrad' | 'AveragePool'>),
    hasPhases: node.op === 'ConvTranspose' && kernel.length === 2 && hasPhases(node as Node<'ConvTranspose'>),
    kernel: Math.max(...kernel),
    stride: Math.max(...g.strides),
    dtype: x.dtype,
    padsInside: kernel.every((k, i) => g.begins[i]! < k && g.ends[i]! < k),
    covers: kernel.every((k, i) => k >= g.strides[i]!),
    mostlyPadding: kernel.length === 2 && mostlyPadding(node, g),
    atPoints: plain && payAtPoints(node, g),
    acrossBatch: plain && payAcrossBatch(node, g),
    inputChannels: Number(x.shape[1]),
    outputChannels: Number(y.shape[1]),
  };
}
