// Opens every model of a folder, as others export them, and compares logits and gradients.
import { existsSync, readFileSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import {
  cast,
  constant,
  equal,
  freeInputs,
  grad,
  input,
  inputName,
  isFloat,
  isStatic,
  logSoftmax,
  lower,
  mul,
  neg,
  reduceSum,
  reshape,
  tensorOf,
  type Graph,
  type Shape,
  type Value,
} from '../src/builder/index.ts';
import {
  decode,
  decodeInterface,
  encode,
  UnsupportedModelError,
  type DecodedModel,
} from '../src/onnx/index.ts';
import { InferenceSession, OrtTensor } from '../src/runtime/ort.ts';
import { stream } from '../src/runtime/random.ts';

const command = new Command('zoo')
  .description(
    'Reads every .onnx file of a folder and compares its logits with those of ONNX Runtime. Where x.f32, labels and ' +
      'gradients (g64.f64, g32.f32) lie beside a model.onnx, it compares the gradient of the cross-entropy too.',
  )
  .argument('<folder>')
  .option('--only <text>', 'models whose name contains it', '')
  .option('--batch <n>', 'images where the batch is open', Number, 2)
  .option('--json <file>', 'writes the table as JSON too')
  .parse();
const [folder] = command.processedArgs;
const { only, batch, json } = command.opts();

/** Heights and widths for what a file leaves open, tried one after the other. */
const spaces = [32, 64, 75, 224];

interface Row {
  readonly model: string;
  readonly opset: number | null;
  /** The largest difference of a logit, over the largest logit; null for a model that is not accepted. */
  readonly logits: number | null;
  /** ||ours - float64|| / ||float64|| of each image's gradient, and the same of PyTorch's in float32. */
  readonly gradient: Errors | null;
  readonly torch: Errors | null;
  readonly remarks: string;
}

/** A ReLU or a maximum that tips in float32 makes one image's gradient another: the median does not see it. */
interface Errors {
  readonly median: number;
  readonly worst: number;
}

const nameOf = (path: string): string =>
  basename(path) === 'model.onnx' ? basename(dirname(path)) : basename(path, '.onnx');

/** The model as it is or, where open sizes stand in the way, with numbers for height and width, then for the batch. */
function read(path: string, bytes: Uint8Array): { readonly model: DecodedModel; readonly remark: string } {
  const external = (location: string): Uint8Array => readFileSync(join(dirname(path), location));
  const open = decodeInterface(bytes).inputs.filter((x) => !isStatic(x.shape));
  const bound = (batchOf: (dim: Shape[number]) => Shape[number], space: number) =>
    Object.fromEntries(
      open.map((x) => [
        inputName(x),
        x.shape.map((dim, i) => (typeof dim === 'number' ? dim : i === 0 ? batchOf(dim) : space)),
      ]),
    );
  const attempts = [
    { remark: '', shapes: {} },
    ...spaces.map((space) => ({ remark: `${space}x${space}`, shapes: bound((dim) => dim, space) })),
    ...spaces.map((space) => ({ remark: 'batch bound', shapes: bound(() => batch, space) })),
  ];
  let first: unknown;
  for (const { remark, shapes } of open.length > 0 ? attempts : attempts.slice(0, 1)) {
    try {
      return { model: decode(bytes, { external, shapes }), remark };
    } catch (error) {
      first ??= error;
    }
  }
  throw first;
}

async function run(
  model: string | Uint8Array,
  feeds: Record<string, OrtTensor>,
  name: string,
): Promise<Float32Array> {
  const options = { logSeverityLevel: 4, intraOpNumThreads: 1 } as const;
  const session = await (typeof model === 'string'
    ? InferenceSession.create(model, options)
    : InferenceSession.create(model, options));
  try {
    const results = await session.run(feeds);
    return (results[name]!.data as Float32Array).slice();
  } finally {
    await session.release();
  }
}

const largest = (values: Float32Array): number => values.reduce((so, x) => Math.max(so, Math.abs(x)), 0);

const ones = (x: Value): OrtTensor => {
  const shape = x.shape as readonly number[];
  const size = shape.reduce((a, b) => a * b, 1);
  return new OrtTensor(
    x.dtype,
    tensorOf(x.dtype, shape, new Array<number>(size).fill(1)).data as Float32Array,
    shape,
  );
};

interface Images {
  readonly data: Float32Array;
  readonly shape: readonly number[];
  readonly labels: readonly number[];
  /** Gradients in float64 and in PyTorch's float32. */
  readonly gradients?: readonly [Float64Array, Float32Array];
}

/** Images and labels that lie beside a model, or random ones. */
async function imagesFor(path: string, image: Value): Promise<Images> {
  const bytes = async (file: string): Promise<ArrayBuffer> =>
    new Uint8Array(await readFile(join(dirname(path), file))).buffer;
  if (basename(path) !== 'model.onnx' || !existsSync(join(dirname(path), 'meta.json'))) {
    const shape = image.shape.map((dim, i) => (typeof dim === 'number' ? dim : i === 0 ? batch : spaces[0]!));
    const random = stream(1, 'zoo', nameOf(path));
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.uniform());
    return { data, shape, labels: new Array<number>(shape[0]!).fill(0) };
  }
  const meta = JSON.parse(await readFile(join(dirname(path), 'meta.json'), 'utf8')) as {
    n: number;
    shape: number[];
    labels: number[];
  };
  const data = new Float32Array(await bytes('x.f32'));
  const n = typeof image.shape[0] === 'number' ? image.shape[0] : meta.n;
  const count = (data.length / meta.n) * n;
  const gradients = [
    new Float64Array(await bytes('g64.f64')).subarray(0, count),
    new Float32Array(await bytes('g32.f32')).subarray(0, count),
  ] as const;
  return {
    data: data.subarray(0, count),
    shape: [n, ...meta.shape],
    labels: meta.labels.slice(0, n),
    gradients,
  };
}

/** Probabilities have logits that made them. */
const beforeSoftmax = (y: Value): Value =>
  y.source.kind === 'node' && y.source.op === 'Softmax' ? y.source.inputs[0]! : y;

/** The gradient of the sum of cross-entropies: `image`, `label` int64 [batch,1] -> `gradient`. */
function gradientOf(graph: Graph, image: Value, logits: Value): Graph {
  const classes = Number(logits.shape[1]);
  const all = constant(
    tensorOf(
      'int64',
      [classes],
      Array.from({ length: classes }, (_, i) => i),
    ),
  );
  const label = input('label', 'int64', [logits.shape[0]!, 1]);
  const picked = cast(equal(reshape(label, [-1, 1]), all), logits.dtype);
  const [g] = grad(neg(reduceSum(mul(logSoftmax(reshape(logits, [-1, classes])), picked))), [image]);
  return { name: graph.name, inputs: [image, label], outputs: { gradient: g! } };
}

async function check(path: string): Promise<Row> {
  const model = nameOf(path);
  const none = { model, opset: null, logits: null, gradient: null, torch: null };
  try {
    const { model: decoded, remark } = read(path, await readFile(path));
    const { graph, opset, notes } = decoded;
    const used = new Set(freeInputs(Object.values(graph.outputs)).map(({ source }) => source));
    const [image, ...others] = graph.inputs.filter(({ source }) => used.has(source)) as [Value, ...Value[]];
    if (others.length > 0) throw new Error(`has ${others.length + 1} inputs that its outputs need`);
    const [name, logits] = Object.entries(graph.outputs).find(([, y]) => isFloat(y))!;
    const { data, shape, labels, gradients } = await imagesFor(path, image);
    const feed = { [inputName(image)]: new OrtTensor('float32', data, shape) };
    // the file may want inputs that its outputs do not need
    const unused = graph.inputs
      .filter(({ source }) => !used.has(source))
      .map((x) => [inputName(x), ones(x)] as const);
    const expected = await run(path, { ...feed, ...Object.fromEntries(unused) }, name);
    const ours = { ...graph, inputs: [image], outputs: { [name]: logits } };
    const actual = await run(encode(lower(ours, 'plain')), feed, name);
    const largestLogit = largest(expected);
    const difference = largest(actual.map((x, i) => x - expected[i]!)) / largestLogit;
    const label = new OrtTensor('int64', BigInt64Array.from(labels, BigInt), [labels.length, 1]);
    const file = encode(lower(gradientOf(graph, image, beforeSoftmax(logits)), 'plain'));
    const gradient = await run(file, { ...feed, label }, 'gradient');
    const remarks = [
      remark,
      ...notes,
      gradient.some(Number.isNaN) ? 'the gradient has NaN' : '',
      largestLogit === 0 ? 'all logits are 0' : '',
    ];
    return {
      ...none,
      opset,
      logits: actual.length === expected.length ? difference : Infinity,
      gradient: gradients ? errorsOf(gradient, gradients[0], labels.length) : null,
      torch: gradients ? errorsOf(gradients[1], gradients[0], labels.length) : null,
      remarks: remarks.filter(Boolean).join('; '),
    };
  } catch (error) {
    const missing = error instanceof UnsupportedModelError ? error.missing : null;
    const what = missing?.map((m) => `${m.what}${m.count > 1 ? ` x${m.count}` : ''}`).join('; ');
    return { ...none, remarks: what ?? (error as Error).message.split('\n')[0]!.slice(0, 300) };
  }
}

function distance(a: Float32Array, b: Float64Array): number {
  let [difference, size] = [0, 0];
  b.forEach((x, i) => {
    difference += (a[i]! - x) ** 2;
    size += x ** 2;
  });
  return Math.sqrt(difference / size);
}

function errorsOf(ours: Float32Array, exact: Float64Array, images: number): Errors {
  const size = ours.length / images;
  const part = (i: number): readonly [number, number] => [i * size, (i + 1) * size];
  const errors = Array.from({ length: images }, (_, i) =>
    distance(ours.subarray(...part(i)), exact.subarray(...part(i))),
  ).toSorted((a, b) => a - b);
  return { median: errors[Math.floor((images - 1) / 2)]!, worst: errors.at(-1)! };
}

const show = (x: number | null): string => (x === null ? '-' : x.toExponential(1));

const showErrors = (errors: Errors | null): string =>
  errors ? `${show(errors.median)}, ${show(errors.worst)}` : '-';

const files = (await readdir(folder, { recursive: true }))
  .filter((file) => file.endsWith('.onnx'))
  .toSorted();
const rows: Row[] = [];
console.log(
  '| model | opset | accepted | logits | gradient: median, worst image | PyTorch float32 | remarks |',
);
console.log('| --- | --- | --- | --- | --- | --- | --- |');
for (const file of files.filter((name) => name.includes(only))) {
  const row = await check(join(folder, file));
  rows.push(row);
  const cells = [
    row.opset ?? '-',
    row.logits === null ? 'no' : 'yes',
    show(row.logits),
    ...[row.gradient, row.torch].map(showErrors),
  ];
  console.log(`| ${[row.model, ...cells, row.remarks].join(' | ')} |`);
}
const count = (holds: (row: Row) => boolean): number => rows.filter(holds).length;
const isClose = ({ gradient, torch }: Row): boolean =>
  gradient !== null && gradient.median <= Math.max(1e-4, 10 * (torch?.median ?? 0));
console.log(`
${count(({ logits }) => logits !== null)} of ${rows.length} accepted
${count(({ logits }) => logits !== null && logits <= 1e-3)} with logits within 1e-3 of the largest
${count(isClose)} of ${count(({ gradient }) => gradient !== null)} gradients within 1e-4 or ten times the error of PyTorch's float32`);
if (json !== undefined) await writeFile(json, JSON.stringify(rows, null, 1));
