import { foldConstants, inputName, isStatic, lower, type Graph } from '../builder/index.ts';
import { classifierGradientModel } from '../models/classifier/gradient.ts';
import { gradientEnds } from '../models/classifier/ports.ts';
import { propertyClassifier } from '../models/classifier/property.ts';
import { decode, encode } from '../onnx/index.ts';
import type { Gradient } from '../runtime/attacks/index.ts';
import { searchCube, stages } from '../runtime/audit/counterexample.ts';
import { openOracle, type OpenOracle } from '../runtime/audit/oracle.ts';
import { parseVnnlib, satisfaction, type Region } from '../runtime/audit/vnnlib.ts';
import { nextFloat32 } from '../runtime/float32.ts';
import { openModel, type Model, type SessionOptions } from '../runtime/session.ts';
import { float32 } from '../runtime/tensor.ts';
import { nameOf, naming, readFiles } from './load.ts';
import { fromFiles } from './parting.ts';
import type { Platform } from './platform.ts';

/** How a counterexample is looked for. */
export interface SearchOptions extends SessionOptions {
  readonly seed: number;
  /** Seconds after which no further step is taken. */
  readonly seconds: number;
}

/** An input of a network, and what the network makes of it, both flattened in row-major order. */
export interface Counterexample {
  readonly input: Float32Array;
  readonly output: Float32Array;
}

/**
 * Looks for an input within the bounds of a property whose output is as the property says that none must be.
 *
 * @param property in VNN-LIB 1.0.
 * @returns an input for which the file itself gives such an output, or null where none was found, which does not say
 *   that there is none.
 * @throws InputError in one line when the property, or the model, is none that can be searched.
 */
export async function findCounterexample(
  platform: Platform,
  model: Uint8Array | string,
  property: { readonly name: string; readonly text: string },
  options: SearchOptions,
): Promise<Counterexample | null> {
  const until = performance.now() + 1000 * options.seconds;
  const { regions } = parseVnnlib(property.text, property.name);
  return await naming(nameOf(model), async () => {
    const { bytes, external } = await readFiles(platform, model);
    const { graph } = decode(bytes, { external: fromFiles(external) });
    const original = await openModel(bytes, options, external);
    try {
      for (const region of regions) {
        const found = await inRegion(graph, original, region, { ...options, until });
        if (found) return found;
      }
      return null;
    } finally {
      await original.close();
    }
  });
}

async function inRegion(
  file: Graph,
  original: Model,
  region: Region,
  { seed, until, ...session }: SearchOptions & { readonly until: number },
): Promise<Counterexample | null> {
  const { graph, soft, image, classes, order } = propertyClassifier(file, region);
  const inputOf = insideOf(region, order);
  const outputOf = answerer(file, original);
  const confirmed: Counterexample[] = [];
  const confirms = async (place: Float32Array): Promise<boolean> => {
    const input = inputOf(place);
    const output = await outputOf(input);
    const holds = satisfaction(region.anyOf, output) >= 0;
    if (holds) confirmed.push({ input, output });
    return holds;
  };
  const open: OpenOracle[] = [];
  const opened = async (own: Graph): Promise<OpenOracle> => {
    const oracle = await openOracle(
      {
        classifier: encode(lower(foldConstants(own), 'cpu')),
        image,
        classes,
        ...(hasGradient(own) && { gradient: (loss) => classifierGradientModel(own, 'cpu', loss) }),
      },
      session,
    );
    open.push(oracle);
    return oracle;
  };
  try {
    const oracle = await opened(graph);
    // opened when it is asked: the easy ones are found without it
    let softly: OpenOracle | null = null;
    const ofSoft: Gradient = async (batch, loss) => {
      softly ??= await opened(soft!);
      return await softly.gradient!(batch, loss);
    };
    await searchCube(oracle, stages, confirms, {
      seed,
      until,
      ...(soft && oracle.gradient && { soft: ofSoft }),
    });
    return confirmed[0] ?? null;
  } finally {
    for (const oracle of open) await oracle.close();
  }
}

/** Whether attacks have a gradient to follow; one that is zero by construction leads nowhere. */
function hasGradient(graph: Graph): boolean {
  try {
    return gradientEnds(graph) === null;
  } catch {
    return false;
  }
}

/** Asks the file itself. */
function answerer({ inputs: [port] }: Graph, original: Model) {
  const dims = port!.shape.slice(1);
  const shape = [1, ...(isStatic(dims) ? dims : [])];
  return async (input: Float32Array): Promise<Float32Array> => {
    const outputs = await original.run({ [inputName(port!)]: float32(shape, input) });
    return Object.values(outputs)[0]!.data as Float32Array;
  };
}

/** The input at a place of the box, where 0 is the lower bound and 1 the upper: in float32, and not outside. */
function insideOf({ low, high }: Region, order: Int32Array): (place: Float32Array) => Float32Array {
  return (place) => {
    const input = new Float32Array(place.length);
    order.forEach((at, i) => {
      const [from, to] = [low[at]!, high[at]!];
      const x = Math.fround(from + place[i]! * (to - from));
      const inner = x < from ? nextFloat32(x, 1) : x > to ? nextFloat32(x, -1) : x;
      // a box may be so thin that no float32 lies in it
      input[at] = inner >= from && inner <= to ? inner : x;
    });
    return input;
  };
}
