import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { classifierGradientModel } from '../../models/classifier/gradient.ts';
import { propertyClassifier } from '../../models/classifier/property.ts';
import { lower } from '../../builder/index.ts';
import { decode, encode } from '../../onnx/index.ts';
import { inputName } from '../../builder/index.ts';
import { searchCube, type Stage } from '../../runtime/audit/counterexample.ts';
import { openOracle } from '../../runtime/audit/oracle.ts';
import { counterexample, parseVnnlib, satisfaction, type Region } from '../../runtime/audit/vnnlib.ts';
import { openModel, type SessionOptions } from '../../runtime/session.ts';
import { float32 } from '../../runtime/tensor.ts';

const stages: readonly Stage[] = [
  { use: { attack: 'fgsm', settings: {} }, rows: 1, goal: 'targeted' },
  { use: { attack: 'pgd', settings: { steps: 40, stepSize: null, restarts: 1 } }, rows: 1, goal: 'targeted' },
  { use: { attack: 'pgd', settings: { steps: 100, stepSize: 0.1, restarts: 1 } }, rows: 4, goal: 'targeted' },
  { use: { attack: 'pgd', settings: { steps: 200, stepSize: 0.02, restarts: 1 } }, rows: 8, goal: 'targeted' },
];

export async function answer(modelPath: string, propertyPath: string, options: SessionOptions, seconds: number): Promise<string> {
  const until = performance.now() + 1000 * seconds;
  const bytes = await readFile(modelPath);
  const packed = await readFile(propertyPath);
  const text = (propertyPath.endsWith('.gz') ? await promisify(gunzip)(packed) : packed).toString();
  const property = parseVnnlib(text, propertyPath);
  const { graph } = decode(bytes);
  const [port] = graph.inputs;
  const shape = [1, ...port!.shape.slice(1).map(Number)];
  const original = await openModel(bytes, options);
  for (const region of property.regions) {
    const { graph: asked, image, classes, order } = propertyClassifier(graph, region);
    const oracle = await openOracle({
      classifier: encode(lower(asked, 'cpu')),
      image, classes,
      gradient: (loss) => classifierGradientModel(asked, 'cpu', loss),
    }, options);
    const inputOf = insideOf(region, order);
    const outputOf = async (input: Float32Array) =>
      Object.values(await original.run({ [inputName(port!)]: float32(shape, input) }))[0]!.data as Float32Array;
    const image0 = await searchCube(oracle, stages, async (place) => satisfaction(region.anyOf, await outputOf(inputOf(place))) >= 0, { seed: 1, until });
    if (image0) { const input = inputOf(image0); return `sat\n${counterexample(input, await outputOf(input))}`; }
  }
  return 'unknown';
}

/** The input at a place of the box, in float32 and not outside. */
function insideOf({ low, high }: Region, order: Int32Array): (place: Float32Array) => Float32Array {
  return (place) => {
    const input = new Float32Array(place.length);
    order.forEach((at, i) => {
      const x = Math.fround(low[at]! + place[i]! * (high[at]! - low[at]!));
      input[at] = x < low[at]! ? above(x) : x > high[at]! ? below(x) : x;
    });
    return input;
  };
}
const bits = new Int32Array(1); const asFloat = new Float32Array(bits.buffer);
const stepped = (x: number, way: number): number => { if (x === 0) return way * 2 ** -149; asFloat[0] = x; bits[0]! += x > 0 === way > 0 ? 1 : -1; return asFloat[0]!; };
const above = (x: number): number => stepped(x, 1);
const below = (x: number): number => stepped(x, -1);
