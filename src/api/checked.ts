import type { ClassifierFile } from '../models/classifier/classifier.ts';
import type { Images } from '../runtime/attacks/index.ts';
import { apartOf, type Apart } from '../runtime/audit/comparison.ts';
import type { OpenOracle } from '../runtime/audit/oracle.ts';
import { InputError } from '../runtime/errors.ts';
import type { SessionOptions } from '../runtime/session.ts';
import { compareSteps, type Files, type Steps } from './parting.ts';
import { compare, moved, noise, shift, waves, type SelfCheck } from './self-check.ts';

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

/** How much further than a file's answers move by themselves its gradient graph may be. */
const mostOfRounding = 10;

/** That a file cannot be run, without what ONNX Runtime puts before its reason. */
function unrunnable(error: unknown): InputError {
  const [line] = (error as Error).message.split('\n', 1);
  const reason = line!.replace(
    /^(?:Can't create a session\. )?(?:ERROR_CODE: \d+, ERROR_MESSAGE: )?(?:Fatal error: )?/,
    '',
  );
  const way = 'export the model again, with standard ONNX operators';
  return new InputError(`ONNX Runtime cannot run the file: ${reason}; ${way}`, { cause: error });
}

/**
 * Opens a classifier whose gradient graph gives the logits of its file. Where it does not, the file is run without ONNX
 * Runtime's graph optimisation too, which may change what a file gives. Where the file's own answers to random pixels move
 * as much when the pixels hardly do, a difference there proves nothing, and smooth images decide; where those are no
 * steadier, the nodes do, one by one.
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
    const oracle = await opened(optimized).catch((error: unknown) => {
      throw classifier.noGradient === null ? error : unrunnable(error);
    });
    oracles.push(oracle);
    const images = noise(classifier.image);
    if (oracle.gradient) return { oracle, found: await compare(oracle, classifier, images) };
    // there is nothing to compare; that the file runs at all is found out here
    await oracle.logits(firstOf(images, 1)).catch((error: unknown) => {
      throw unrunnable(error);
    });
    return { oracle, found: null };
  };
  const keep = async (
    kept: OpenOracle,
    found: (Pick<SelfCheck, 'images'> & { readonly relative: number }) | null,
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
    const { oracle, found } = await attempt(true);
    if (!found || found.agrees) return await keep(oracle, found);
    const second = await attempt(false);
    if (second.found!.agrees) {
      const note = `ONNX Runtime's graph optimisation changes the answers of this file (${apartText(found)}): it runs without`;
      return await keep(second.oracle, second.found, note);
    }
    const form = classifier.ports.output.form;
    const ofNoise = Math.max(
      apartOf(found.file, second.found!.file, form).relative,
      await moved(oracle, noise(classifier.image), form),
    );
    const isUnsteady = found.relative <= mostOfRounding * ofNoise;
    const smooth = isUnsteady ? await compare(oracle, classifier, waves(classifier.image)) : null;
    const unsteady = `its answers to random pixels move by ${percent(ofNoise)} when the pixels move by ${shift}`;
    if (smooth?.agrees) return await keep(oracle, smooth, `${unsteady}: compared on smooth images`);
    const some = firstOf(noise(classifier.image), classifier.ports.input.batch ?? 1);
    const steps = await compareSteps(files, classifier.ports, some, tolerance, { ...options, device: 'cpu' });
    const isChaotic =
      smooth !== null &&
      smooth.relative <= mostOfRounding * (await moved(oracle, waves(classifier.image), form));
    if (isChaotic && steps && steps.parting === null) {
      const note = `${unsteady}, and those to smooth images no less: its ${steps.compared} nodes were compared one by one`;
      return await keep(oracle, { images: some.shape[0], relative: steps.apart }, note);
    }
    throw rejection(found, steps, isChaotic ? unsteady : null);
  } catch (error) {
    for (const oracle of oracles) await oracle.close();
    throw error;
  }
}

const percent = (part: number): string => `${(100 * part).toPrecision(2)} %`;

const apartText = ({ difference, largest }: Apart): string =>
  `${difference.toPrecision(3)} apart, the largest is ${largest.toPrecision(3)}`;

function rejection(found: Apart, steps: Steps | null, unsteady: string | null): InputError {
  const other = `the gradient graph gives other logits than the file (${apartText(found)})`;
  if (unsteady !== null && !steps) {
    return new InputError(
      `${other}, which proves nothing: ${unsteady}, and its nodes cannot be compared one by one; bring it trained`,
    );
  }
  return new InputError(
    `${other}, so the file was read wrongly${steps?.parting ? `, from node ${steps.parting} on` : ''}; ` +
      'export it again without graph optimisation',
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
