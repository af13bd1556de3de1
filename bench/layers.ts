import Table from 'cli-table3';
import { constant, convTranspose, input, lower, slice, type Node, type Value } from '../src/builder/index.ts';
import { formOf } from '../src/builder/lower/forms.ts';
import { convTransposeByConvs, hasPhases } from '../src/builder/lower/frozen.ts';
import { encode } from '../src/onnx/index.ts';
import { openModel, stream } from '../src/runtime/index.ts';
import { float32 } from '../src/runtime/tensor.ts';
import { median, timed } from './timing.ts';

/**
 * `pnpm bench:layers`: the gradient of a convolution in its input, in each form that lowering may choose for a constant
 * kernel, layer by layer and in turns. The rows `frozen` of src/builder/lower/forms.ts follow from this table.
 */
interface Layer {
  /** Channels and size of the image, whose gradient is wanted, and channels of the convolution's output. */
  readonly c: number;
  readonly size: number;
  readonly m: number;
  readonly k: number;
  readonly stride?: number;
  readonly group?: number;
  readonly dilation?: number;
}

const layers: readonly Layer[] = [
  { c: 64, size: 56, m: 64, k: 3 },
  { c: 512, size: 7, m: 512, k: 3 },
  { c: 32, size: 16, m: 32, k: 3 },
  { c: 144, size: 56, m: 24, k: 1 },
  { c: 3, size: 32, m: 32, k: 3 },
  { c: 6, size: 14, m: 16, k: 5 },
  { c: 8, size: 32, m: 32, k: 3 },
  { c: 12, size: 32, m: 32, k: 3 },
  { c: 144, size: 56, m: 144, k: 3, group: 144 },
  { c: 240, size: 28, m: 240, k: 5, group: 240 },
  { c: 128, size: 56, m: 128, k: 3, group: 32 },
  { c: 256, size: 28, m: 256, k: 3, group: 32 },
  { c: 256, size: 14, m: 256, k: 3, dilation: 2 },
  { c: 64, size: 56, m: 128, k: 3, stride: 2 },
  { c: 256, size: 14, m: 512, k: 3, stride: 2 },
  { c: 16, size: 32, m: 32, k: 3, stride: 2 },
  { c: 64, size: 56, m: 128, k: 1, stride: 2 },
  { c: 96, size: 28, m: 192, k: 2, stride: 2 },
  { c: 3, size: 224, m: 64, k: 7, stride: 2 },
  { c: 96, size: 112, m: 96, k: 3, stride: 2, group: 96 },
  { c: 144, size: 56, m: 144, k: 5, stride: 2, group: 144 },
  { c: 128, size: 56, m: 128, k: 3, stride: 2, group: 32 },
];

const rounds = 4;
const table = new Table({
  head: ['layer', 'batch', 'transposed', 'convolutions', 'chosen'],
  style: { head: [], border: [] },
});
for (const layer of layers) {
  for (const batch of [1, 8]) {
    const native = gradient(layer, batch);
    const node = native.source as Node<'ConvTranspose'>;
    const forms = [native, ...(hasPhases(node) ? [convTransposeByConvs(node)] : [])];
    const times = await inTurns(forms, native);
    const show = (ms: number | undefined): string => (ms === undefined ? '' : `${ms.toFixed(2)} ms`);
    table.push([describe(layer), batch, show(times[0]), show(times[1]), formOf(node, 'frozen')]);
  }
}
console.log(table.toString());

function describe({ c, size, m, k, stride = 1, group = 1, dilation = 1 }: Layer): string {
  const more = [
    stride > 1 && `stride ${stride}`,
    group > 1 && `${group} groups`,
    dilation > 1 && `dilation ${dilation}`,
  ];
  return [`${k}x${k} ${c} to ${m} at ${size}`, ...more.filter(Boolean)].join(', ');
}

/** The gradient of a layer in ONNX's own form, from its cotangent. */
function gradient({ c, size, m, k, stride = 1, group = 1, dilation = 1 }: Layer, batch: number): Value {
  const reach = dilation * (k - 1);
  const before = k <= stride ? 0 : Math.floor(reach / 2);
  const after = k <= stride ? 0 : reach - before;
  const out = Math.floor((size + before + after - reach - 1) / stride) + 1;
  const left = size - (stride * (out - 1) + reach + 1 - before - after);
  const random = stream('layers', k, c, m);
  const shape = [m, c / group, k, k];
  const data = Float32Array.from({ length: shape.reduce((p, n) => p * n) }, () => random.uniform() - 0.5);
  const dy = input('dy', 'float32', [batch, m, out, out]);
  return convTranspose(dy, constant(float32(shape, data), 'w'), null, {
    strides: [stride, stride],
    pads: [before, before, after, after],
    dilations: [dilation, dilation],
    output_padding: [left, left],
    group,
  });
}

/** Median milliseconds of each form. */
async function inTurns(forms: readonly Value[], { source }: Value): Promise<readonly number[]> {
  const [dy] = (source as Node<'ConvTranspose'>).inputs;
  const shape = dy.shape as readonly number[];
  const data = new Float32Array(shape.reduce((p, n) => p * n)).fill(0.5);
  const models = [];
  for (const dx of forms) {
    // a corner of it: a whole one would be new memory for each run, which takes longer than to compute it
    const corner = slice(dx, [0, 0], [1, 1], [2, 3]);
    const bytes = encode(lower({ name: 'layer', inputs: [dy], outputs: { corner } }, 'plain'));
    models.push(await openModel(bytes, { device: 'cpu', threads: 2 }));
  }
  const times: number[][] = forms.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, model] of models.entries()) {
      const runs = await timed(async () => void (await model.run({ dy: float32(shape, data) })), 6);
      times[i]!.push(...runs.slice(1));
    }
  }
  for (const model of models) await model.close();
  return times.map(median);
}
