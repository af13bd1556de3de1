// Opens every model of a folder, as others export them, and compares logits and gradients.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import {
  constant,
  freeInputs,
  grad,
  inputName,
  isFloat,
  lower,
  mul,
  reduceSum,
  cast,
  equal,
  input,
  logSoftmax,
  neg,
  reshape,
  isStatic,
  sizeOf,
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
  .description('Reads every .onnx file of a folder and compares its logits with those of ONNX Runtime.')
  .argument('<folder>')
  .option('--only <text>', 'models whose name contains it', '')
  .option('--batch <n>', 'images where the batch is open', Number, 2)
  .option('--json <file>', 'also as JSON')
  .parse();
const [folder] = command.processedArgs;
const { only, batch } = command.opts();

/** Heights and widths for what a file leaves open, tried one after the other. */
const spaces = [32, 64, 224, 75];

interface Row {
  readonly model: string;
  readonly opset: number | null;
  /** The largest difference of a logit, over the largest logit; null for a model that is not accepted. */
  readonly logits: number | null;
  /** ||ours - theirs|| / ||theirs|| of the input gradient, where the folder holds one in float64. */
  readonly gradient: number | null;
  readonly milliseconds: number;
  readonly remarks: string;
}

const nameOf = (path: string): string =>
  basename(path) === 'model.onnx' ? basename(dirname(path)) : basename(path, '.onnx');

const bound = (shape: Shape, space: number): number[] =>
  shape.map((dim, i) => (typeof dim === 'number' ? dim : i === 0 ? batch : space));

/** The model as it is or, where open sizes stand in the way, with numbers for them. */
function read(path: string, bytes: Uint8Array): { readonly model: DecodedModel; readonly remark: string } {
  const external = (location: string): Uint8Array => readFileSync(join(dirname(path), location));
  try {
    return { model: decode(bytes, { external }), remark: '' };
  } catch (error) {
    const open = decodeInterface(bytes).inputs.filter(({ shape }) =>
      shape.some((dim) => typeof dim !== 'number'),
    );
    if (open.length === 0) throw error;
    for (const space of [...spaces, null]) {
      try {
        const shapes = Object.fromEntries(
          open.map((x) => [
            inputName(x),
            x.shape.map((dim, i) => (i === 0 || typeof dim === 'number' || !space ? dim : space)),
          ]),
        );
        if (space) return { model: decode(bytes, { external, shapes }), remark: `${space}x${space}` };
      } catch {
        // another size may fit
      }
    }
    for (const space of spaces) {
      try {
        const shapes = Object.fromEntries(open.map((x) => [inputName(x), bound(x.shape, space)]));
        return { model: decode(bytes, { external, shapes }), remark: 'bound' };
      } catch {
        // another size may fit
      }
    }
    throw error;
  }
}

const runOf = async (session: InferenceSession, feeds: Record<string, OrtTensor>) => {
  const results = await session.run(feeds);
  return (name: string): Float32Array => results[name]!.data as Float32Array;
};

function largest(values: Float32Array): number {
  return values.reduce((so, x) => Math.max(so, Math.abs(x)), 0);
}

async function withSession<T>(
  model: string | Uint8Array,
  use: (session: InferenceSession) => Promise<T>,
): Promise<T> {
  const options = { logSeverityLevel: 4, intraOpNumThreads: 1 } as const;
  const session = await (typeof model === 'string'
    ? InferenceSession.create(model, options)
    : InferenceSession.create(model, options));
  try {
    return await use(session);
  } finally {
    await session.release();
  }
}

/** Images and labels that lie beside a model, or random ones. */
async function imagesFor(path: string, image: Value) {
  const own = (file: string): string => join(dirname(path), file);
  if (existsSync(own('meta.json'))) {
    const meta = JSON.parse(await readFile(own('meta.json'), 'utf8')) as {
      n: number;
      shape: number[];
      labels: number[];
    };
    const floats = new Float32Array(new Uint8Array(await readFile(own('x.f32'))).buffer);
    const one = floats.length / meta.n;
    const n = typeof image.shape[0] === 'number' ? image.shape[0] : meta.n;
    const theirs = new Float64Array(new Uint8Array(await readFile(own('g64.f64'))).buffer).subarray(
      0,
      n * one,
    );
    return {
      data: floats.slice(0, n * one),
      shape: [n, ...meta.shape],
      labels: meta.labels.slice(0, n),
      theirs,
    };
  }
  const shape = image.shape.map((dim, i) => (typeof dim === 'number' ? dim : i === 0 ? batch : spaces[0]!));
  const random = stream(1, 'zoo', path);
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).map(() => random.uniform());
  return { data, shape, labels: null, theirs: null };
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
  const flat = reshape(logits, [-1, classes]);
  const picked = cast(equal(reshape(label, [-1, 1]), all), logits.dtype);
  const [g] = grad(neg(reduceSum(mul(logSoftmax(flat), picked))), [image]);
  return { name: graph.name, inputs: [image, label], outputs: { gradient: g! } };
}

async function check(path: string): Promise<Row> {
  const begun = performance.now();
  const done = (
    opset: number | null,
    logits: number | null,
    gradient: number | null,
    remarks: string,
  ): Row => ({
    model: nameOf(path),
    opset,
    logits,
    gradient,
    milliseconds: Math.round(performance.now() - begun),
    remarks,
  });
  try {
    const { model, remark } = read(path, await readFile(path));
    const { graph, opset, notes } = model;
    const images = graph.inputs.filter((x) =>
      freeInputs(Object.values(graph.outputs)).some((y) => y.source === x.source),
    );
    const [image] = images as [Value];
    if (images.length !== 1) throw new Error(`has ${images.length} inputs`);
    const [name, logits] = Object.entries(graph.outputs).find(([, y]) => isFloat(y))!;
    const { data, shape, labels, theirs } = await imagesFor(path, image);
    const feed = { [inputName(image)]: new OrtTensor('float32', data, shape) };
    // the file may want inputs that its output does not need
    const others = graph.inputs.filter((x) => x !== image && isStatic(x.shape));
    const unused = others.map((x) => [
      inputName(x),
      new OrtTensor(
        x.dtype,
        tensorOf(x.dtype, x.shape as number[], new Array<number>(Number(sizeOf(x.shape))).fill(1))
          .data as Float32Array,
        x.shape as number[],
      ),
    ]);
    const all = { ...feed, ...(Object.fromEntries(unused) as Record<string, OrtTensor>) };
    const expected = await withSession(path, async (session) => (await runOf(session, all))(name).slice());
    const bytes = encode(lower({ ...graph, inputs: [image], outputs: { [name]: logits } }, 'plain'));
    const actual = await withSession(bytes, async (session) => (await runOf(session, feed))(name).slice());
    const difference = largest(actual.map((x, i) => x - expected[i]!)) / Math.max(largest(expected), 1e-12);
    const remarks = [remark, ...notes];
    const n = shape[0]!;
    let gradient: number | null = null;
    try {
      const file = encode(lower(gradientOf(graph, image, beforeSoftmax(logits)), 'plain'));
      const label = new OrtTensor(
        'int64',
        BigInt64Array.from(labels ?? new Array<number>(n).fill(0), BigInt),
        [n, 1],
      );
      const g = await withSession(file, async (session) =>
        (await runOf(session, { ...feed, label }))('gradient').slice(),
      );
      if (g.some((x) => Number.isNaN(x))) remarks.push('the gradient has NaN');
      if (theirs) gradient = distance(g, theirs);
    } catch (error) {
      remarks.push(`gradient: ${(error as Error).message.split('\n')[0]!.slice(0, 300)}`);
    }
    return done(
      opset,
      actual.length === expected.length ? difference : Infinity,
      gradient,
      remarks.filter(Boolean).join('; '),
    );
  } catch (error) {
    const missing = error instanceof UnsupportedModelError ? error.missing : null;
    const what = missing?.map((m) => `${m.what}${m.count > 1 ? ` x${m.count}` : ''}`).join('; ');
    return done(null, null, null, what ?? (error as Error).message.split('\n')[0]!.slice(0, 300));
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

const show = (x: number | null): string => (x === null ? '-' : x.toExponential(1));

const files = (await readdir(folder, { recursive: true }))
  .filter((file) => file.endsWith('.onnx'))
  .toSorted();
const rows: Row[] = [];
for (const file of files.filter((name) => name.includes(only))) {
  const row = await check(join(folder, file));
  rows.push(row);
  console.log(
    `| ${row.model} | ${row.opset ?? '-'} | ${row.logits === null ? 'no' : 'yes'} | ${show(row.logits)} | ${show(row.gradient)} | ${row.remarks} |`,
  );
}
const accepted = rows.filter(({ logits }) => logits !== null && logits <= 1e-3);
console.log(`${accepted.length} of ${rows.length} accepted with logits within 1e-3`);
