import type { ClassifierFile } from '../models/classifier/classifier.ts';
import type { Images } from '../runtime/attacks/index.ts';
import { apartOf, type Apart } from '../runtime/audit/comparison.ts';
import type { OpenOracle } from '../runtime/audit/oracle.ts';
import { InputError } from '../runtime/errors.ts';
import type { SessionOptions } from '../runtime/session.ts';
import { partingNode, type Files } from './parting.ts';
import { compare, noise, waves, type Compared, type SelfCheck } from './self-check.ts';

/** A classifier that is open, and what the comparison of its gradient graph with its file gave. */
export interface Checked {
  readonly oracle: OpenOracle;
  /** Whether ONNX Runtime may change the file's graph before it runs it. */
  readonly optimized: boolean;
  /** Null where there is no gradient. */
  readonly check: SelfCheck | null;
  /** What is to be known of its answers, a line each. */
  readonly notes: readonly string[];
}

const notCompared =
  'the file gives no numbers to random images, so its gradient graph was not compared with it';

/** How much further than a file from itself its gradient graph may be. */
const mostOfRounding = 10;

/**
 * Opens a classifier whose gradient graph gives the logits of its file. Where it does not, the file is run without ONNX
 * Runtime's graph optimisation too, which may change what a file gives; and where rounding alone moves the answers to
 * random pixels, smooth images decide.
 *
 * @param opened opens the file, optimised or as it is written.
 * @throws InputError, naming the first node whose result differs, when the graph gives other logits.
 */
export async function openChecked(
  opened: (optimized: boolean) => Promise<OpenOracle>,
  files: Files,
  classifier: ClassifierFile,
  options: SessionOptions,
): Promise<Checked> {
  const { tolerance } = classifier.origin;
  const oracles: OpenOracle[] = [];
  const attempt = async (optimized: boolean) => {
    const oracle = await opened(optimized);
    oracles.push(oracle);
    return {
      oracle,
      found: oracle.gradient ? await compare(oracle, classifier, noise(classifier.image)) : null,
    };
  };
  const keep = async (
    kept: OpenOracle,
    found: Compared | null,
    ...notes: readonly string[]
  ): Promise<Checked> => {
    for (const oracle of oracles) if (oracle !== kept) await oracle.close();
    const check = found && { images: found.images, apart: found.relative, tolerance };
    const isBlind = found?.images === 0;
    return {
      oracle: kept,
      optimized: kept === oracles[0],
      check,
      notes: isBlind ? [...notes, notCompared] : notes,
    };
  };
  try {
    const first = await attempt(true);
    if (!first.found || first.found.agrees) return await keep(first.oracle, first.found);
    const second = await attempt(false);
    const apart = apartText(first.found);
    if (second.found!.agrees) {
      const note = `ONNX Runtime's graph optimisation changes the answers of this file (${apart}): it runs without`;
      return await keep(second.oracle, second.found, note);
    }
    const rounding = apartOf(first.found.file, second.found!.file, classifier.ports.output.form).relative;
    const smooth = await compare(first.oracle, classifier, waves(classifier.image));
    if (smooth.agrees && first.found.relative <= mostOfRounding * rounding) {
      const note = `rounding alone moves the answers to random pixels by ${percent(rounding)}: compared on smooth images`;
      return await keep(first.oracle, smooth, note);
    }
    throw await rejection(first.found, files, classifier, options);
  } catch (error) {
    for (const oracle of oracles) await oracle.close();
    throw error;
  }
}

const percent = (part: number): string => `${(100 * part).toPrecision(2)} %`;

const apartText = ({ difference, largest }: Apart): string =>
  `${difference.toPrecision(3)} apart, the largest is ${largest.toPrecision(3)}`;

async function rejection(
  found: Apart,
  files: Files,
  { image, ports, origin: { tolerance } }: ClassifierFile,
  options: SessionOptions,
): Promise<InputError> {
  const some = firstOf(noise(image), ports.input.batch ?? 1);
  const node = await partingNode(files, ports, some, tolerance, { ...options, device: 'cpu' });
  return new InputError(
    `the gradient graph gives other logits than the file (${apartText(found)}), so the file was read wrongly` +
      `${node ? `, from node ${node} on` : ''}; export it again without graph optimisation`,
  );
}

/** The first images, one of them again where there are too few. */
function firstOf({ data, shape: [have, ...size] }: Images, wanted: number): Images {
  const each = data.length / have;
  const out = new Float32Array(wanted * each);
  for (let i = 0; i < wanted; i++) {
    const from = i < have ? i : 0;
    out.set(data.subarray(from * each, (from + 1) * each), i * each);
  }
  return { data: out, shape: [wanted, ...size] };
}
