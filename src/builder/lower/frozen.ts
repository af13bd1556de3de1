import { freeInputs, topologicalOrder, type Graph, type Node, type OpType, type Value } from '../ir.ts';
import { concat, conv, reshape, slice, transpose, unsqueeze } from '../ops.ts';
import { geometry, spatial } from '../window.ts';
import { channels, type Size } from './rows.ts';

/**
 * Convolutions whose kernels are constants, as ONNX Runtime's blocked kernels (NCHWc) take them. Those need a Conv with a
 * constant kernel, so a transposed convolution becomes one, or one a phase. What is done to kernels here is computed once,
 * when ONNX Runtime opens the file, and the file holds each weight once. WebAssembly has no blocked kernels; there
 * these forms are faster for small networks and about as fast for others.
 */

/**
 * Whether a graph is a classifier with its weights inside and its input gradient: the kernels of all its convolutions are
 * constants, and one of them is read by a convolution and by its transposed one.
 */
export function isFrozen({ outputs }: Graph): boolean {
  const nodes = topologicalOrder(Object.values(outputs));
  const kernelsOf = (op: OpType): readonly Value[] =>
    nodes.flatMap((node) => (node.op === op ? [node.inputs[1]!] : []));
  const forward = new Set(kernelsOf('Conv'));
  const backward = kernelsOf('ConvTranspose');
  return backward.some((kernel) => forward.has(kernel)) && freeInputs([...forward, ...backward]).length === 0;
}

/** Whether a kernel can change from run to run. A constant one is best left to ONNX Runtime's blocked convolutions. */
export const isTrained = (kernel: Value): boolean => freeInputs([kernel]).length > 0;

/** What the outputs of one phase of an axis are convolved with. */
interface Phase {
  /** The first tap of the kernel that they meet, and how many; the next is one stride further. */
  readonly first: number;
  readonly taps: number;
  /** Zeros before and after the input. */
  readonly begin: number;
  readonly end: number;
}

/**
 * The phases of an axis of a transposed convolution of stride s: of output s * q + r, for each q < `count`, the taps are
 * those with (r + pad - tap) divisible by s, and tap t of them meets input q + floor((r + pad) / s) - t.
 */
function phasesOf({ inputs: [x, w], attrs, outputs: [y] }: Node<'ConvTranspose'>, axis: number) {
  const { kernel, strides, begins, dilations } = geometry(
    'ConvTranspose',
    spatial('ConvTranspose', w),
    attrs,
  );
  const [k, s, d] = [kernel[axis]!, strides[axis]!, dilations[axis]!];
  const count = Math.ceil(spatial('ConvTranspose', y!)[axis]! / s);
  const phases = Array.from({ length: s }, (_, r): Phase => {
    const from = r + begins[axis]!;
    const first = from % s;
    const taps = Math.ceil((k - first) / s);
    const last = Math.floor(from / s);
    return {
      first,
      taps,
      begin: d * (taps - 1) - last,
      end: count + last - spatial('ConvTranspose', x)[axis]!,
    };
  });
  return { count, stride: s, dilation: d, phases };
}

/** Whether each phase is a convolution: it meets a tap, and needs no negative padding. */
export function hasPhases(node: Node<'ConvTranspose'>): boolean {
  return [0, 1].every((axis) => {
    const { stride, dilation, phases } = phasesOf(node, axis);
    return (
      (stride === 1 || dilation === 1) &&
      phases.every(({ taps, begin, end }) => taps > 0 && begin >= 0 && end >= 0)
    );
  });
}

/**
 * Transposed convolution as one convolution a phase, each with its taps of the kernel turned round; at stride 1 that is one
 * with the whole kernel. The phases are interleaved by concatenation along an axis of 1, which is the fastest way.
 */
export function convTransposeByConvs(node: Node<'ConvTranspose'>): Value {
  const { inputs: [x, w, b], attrs, outputs: [y] } = node; // prettier-ignore
  const [down, across] = [phasesOf(node, 0), phasesOf(node, 1)] as const;
  const group = attrs.group ?? 1;
  const dilations = [down.dilation, across.dilation];
  const part = (i: Phase, j: Phase): Value =>
    conv(x, turned(w, group, [i, j], [down.stride, across.stride]), b ?? null, {
      pads: [i.begin, j.begin, i.end, j.end],
      ...(dilations.some((d) => d !== 1) && { dilations }),
      ...(group !== 1 && { group }),
    });
  const m = channels(y!);
  const [height, width] = [down.count * down.stride, across.count * across.stride];
  const lines = down.phases.map((i) =>
    interleaved(
      across.phases.map((j) => part(i, j)),
      4,
      [0, m, down.count, width],
    ),
  );
  const whole = interleaved(lines, 3, [0, m, height, width]);
  const [h, wide] = spatial('ConvTranspose', y!) as Size;
  return h === height && wide === width ? whole : slice(whole, [0, 0], [h, wide], [2, 3]);
}

/** The kernel [C,M/g,kh,kw] of a transposed convolution as that of a convolution over some of its taps: [M,C/g,...]. */
function turned(w: Value, group: number, phases: readonly Phase[], strides: readonly number[]): Value {
  const lasts = phases.map(({ first, taps }, axis) => first + (taps - 1) * strides[axis]!);
  const before = phases.map(() => -(2 ** 31));
  const back = slice(w, lasts, before, [2, 3], strides.map((s) => -s)); // prettier-ignore
  if (group === 1) return transpose(back, [1, 0, 2, 3]);
  const [c, m] = w.shape as readonly [number, number];
  const taps = phases.map((phase) => phase.taps);
  const split = reshape(back, [group, c / group, m, ...taps]);
  return reshape(transpose(split, [0, 2, 1, 3, 4]), [group * m, c / group, ...taps]);
}

function interleaved(parts: readonly Value[], axis: number, shape: readonly number[]): Value {
  if (parts.length === 1) return parts[0]!;
  return reshape(concat(parts.map((part) => unsqueeze(part, [axis])), axis), shape); // prettier-ignore
}
