import { showShape, type Dim, type Graph } from '../../builder/index.ts';
import {
  decode,
  describeModel,
  UnsupportedModelError,
  type DecodedModel,
  type External,
  type Missing,
  type ModelDescription,
} from '../../onnx/index.ts';
import { adopt, type Adopted } from './adopt.ts';
import { saidBeside, type Said } from './beside.ts';
import type { Classifier, ClassifierFile, Fact } from './classifier.ts';
import { declaredHead, outputName } from './head.ts';
import { imageInput, type ImageInput } from './images.ts';
import { labelsIn } from './labels.ts';
import { loosened } from './loosen.ts';
import { openingOf } from './opening.ts';
import type { AdoptOptions, Beside } from './options.ts';
import { picturesOf } from './pictures.ts';
import type { InputPlan, OutputForm, OutputPlan } from './plans.ts';
import { gradientEnds } from './ports.ts';
import { preprocessing, type Preprocessing } from './preprocess.ts';

/** How a classifier is read: what its file does not say, and what lies beside it. */
export interface ReadOptions extends AdoptOptions {
  /** The bytes of the files that weights lie in. */
  readonly external?: External;
  readonly beside?: Beside;
}

/**
 * Reads an image classifier from an ONNX file, whoever wrote it. What the file does not say is taken from the options,
 * from the files beside it, or assumed; `origin.facts` says which.
 *
 * @returns without a graph where the file is a classifier that holds what the builder cannot read.
 * @throws Error in one line when the file is no image classifier, or leaves open what only the options can say.
 */
export function readClassifier(bytes: Uint8Array, options: ReadOptions = {}): Classifier | ClassifierFile {
  const file = describeModel(bytes);
  const [missing] = options.external ? [] : file.external;
  if (missing !== undefined) {
    throw new Error(`${file.name}: its weights lie in another file, ${missing}, which is not given`);
  }
  const beside = saidBeside(options.beside ?? {});
  const images = imageInput(file, wantedOf(file, options, beside));
  const output = outputName(file, options.output);
  const prepared = (graph: Graph | null): Preprocessing =>
    preprocessing(
      { options, opening: graph && openingOf(graph), beside },
      { element: images.plan.element, channels: images.plan.from.length },
    );
  const read = firstThatWorks(bytes, options, images, output, (graph) =>
    adopt(graph, { ...images.plan, ...prepared(graph) }, images.image, output),
  );
  const { text, ...values } = prepared(read.file);
  const input = { ...images.plan, ...values };
  const head = read.adopted ?? declaredHead(file.outputs.find(({ name }) => name === output)!);
  const plan = { ...head.plan, form: isHalf(read.notes) ? roundedForm(head.plan.form) : head.plan.form };
  const ports = { input, output: { name: output, ...plan } };
  const pictures = picturesOf(options, options.beside ?? {}, images.image);
  const { labels, source } = labelsOf(file, head.classes, options.labels, beside);
  const facts: readonly (Fact | null)[] = [
    {
      about: 'input',
      text: `${input.name} takes ${input.element} ${showShape([input.batch ?? 'batch', ...input.shape])}`,
    },
    { about: 'layout', text: layoutText(input, options.channels ?? beside?.channels) },
    ...images.notes.map((line): Fact => ({ about: 'layout', text: line })),
    { about: 'preprocessing', text },
    pictures.text === null ? null : { about: 'pictures', text: pictures.text },
    input.batch === null && read.batch === null
      ? null
      : { about: 'batch', text: batchText(input.batch, read.batch) },
    { about: 'output', text: outputText(ports.output, head.classes) },
    source === null ? null : { about: 'labels', text: source },
  ];
  const common = {
    image: images.image,
    classes: head.classes,
    labels,
    pictures: pictures.fit,
    ports,
    origin: {
      file,
      facts: facts.filter((fact) => fact !== null),
      notes: read.notes,
      tolerance: toleranceOf(file, read.notes),
      missing: read.missing,
    },
    noGradient: read.noGradient,
    gradientEnds: read.gradientEnds,
  };
  return read.adopted
    ? { ...common, graph: read.adopted.graph, batch: read.batch }
    : { ...common, graph: null };
}

/** Whether the graph of a classifier could be read. */
export const hasGraph = (file: Classifier | ClassifierFile): file is Classifier => file.graph !== null;

/** The options, with what the files beside a model say where neither they nor the model do. */
function wantedOf({ inputs }: ModelDescription, options: ReadOptions, beside: Said | null): AdoptOptions {
  const channels = options.channels ?? beside?.channels;
  const isOpen = inputs.some(({ shape }) => shape?.slice(1).some((dim) => typeof dim !== 'number'));
  const size = options.size ?? (isOpen ? beside?.size : undefined);
  return { ...options, ...(channels && { channels }), ...(size && { size }) };
}

/** What came of reading a graph. */
interface Read {
  /** As the file has it. */
  readonly file: Graph | null;
  readonly adopted: Adopted | null;
  readonly batch: number | null;
  readonly notes: readonly string[];
  readonly noGradient: string | null;
  readonly gradientEnds: readonly string[] | null;
  readonly missing: readonly Missing[];
}

/**
 * The graph for any batch if it can be had, otherwise for the file's own batch, or for one image: shapes that a file
 * computes are often known then.
 */
function firstThatWorks(
  bytes: Uint8Array,
  { external }: ReadOptions,
  { plan }: ImageInput,
  output: string,
  adopted: (graph: Graph) => Adopted,
): Read {
  const read = (batch: Dim): DecodedModel =>
    decode(bytes, {
      outputs: [output],
      shapes: { [plan.name]: [batch, ...plan.shape] },
      ...(external && { external }),
    });
  const fixed = plan.batch ?? 1;
  const attempts: readonly (readonly [batch: number | null, graph: () => DecodedModel])[] = [
    [null, () => read('batch')],
    [null, () => withGraph(read(fixed), (graph) => loosened(graph, fixed, 'batch'))],
    [fixed, () => read(fixed)],
  ];
  let best: Read | null = null;
  const failures: Error[] = [];
  for (const [batch, attempt] of attempts) {
    try {
      const { graph, notes } = attempt();
      const found = adopted(graph);
      const slope = slopeOf(found.graph);
      best ??= { file: graph, adopted: found, batch, notes, missing: [], ...slope };
      if (slope.noGradient === null) return { ...best, file: graph, adopted: found, batch, ...slope };
    } catch (error) {
      failures.push(error as Error);
    }
  }
  if (best) return best;
  // that a batch cannot be loosened says nothing of the file
  const [first, , last] = failures as [Error, Error, Error];
  return unread(isUnread(first) ? last : first);
}

const withGraph = (model: DecodedModel, change: (graph: Graph) => Graph): DecodedModel => ({
  ...model,
  graph: change(model.graph),
});

/** Whether there is a gradient to follow. */
function slopeOf(graph: Graph): Pick<Read, 'noGradient' | 'gradientEnds'> {
  try {
    return { noGradient: null, gradientEnds: gradientEnds(graph) };
  } catch (error) {
    return { noGradient: (error as Error).message, gradientEnds: null };
  }
}

const isUnread = ({ message }: Error): boolean => message.startsWith('decode: ');

/** A file that the builder cannot read, and that may be a classifier all the same. Throws where it cannot be one. */
function unread(failure: Error): Read {
  if (!isUnread(failure)) throw failure;
  const missing = failure instanceof UnsupportedModelError ? failure.missing : [];
  const noGradient = failure.message.slice('decode: '.length);
  return { file: null, adopted: null, batch: null, notes: [], noGradient, gradientEnds: null, missing };
}

function labelsOf(
  { metadata }: ModelDescription,
  classes: number,
  given: readonly string[] | undefined,
  beside: Said | null,
): { readonly labels: readonly string[] | null; readonly source: string | null } {
  if (given) {
    if (given.length === classes) return { labels: given, source: `${classes} names, as the options say` };
    throw new Error(`there are ${given.length} labels for ${classes} classes`);
  }
  const own = labelsIn(metadata);
  const [found, where] = own ? [own, "the file's metadata"] : [beside?.labels ?? null, beside?.source];
  if (!found) return { labels: null, source: null };
  return found.length === classes
    ? { labels: found, source: `${classes} names (${where})` }
    : {
        labels: null,
        source: `${where} names ${found.length} classes, and the model has ${classes}: not used`,
      };
}

const layoutText = ({ layout, from }: InputPlan, said: AdoptOptions['channels']): string => {
  const axes = layout === 'nchw' ? 'channels, rows, columns' : 'rows, columns, channels';
  return from.length === 3 ? `${axes}; ${said ?? 'rgb is assumed'}` : axes;
};

function batchText(own: number | null, graph: number | null): string {
  const file = `the file takes ${own ?? 'any number'} at a time; its gradient `;
  if (graph === null) return `${file}any number`;
  return file + (own === null ? `${graph}, so it is slower than it could be` : `${graph} too`);
}

const endings: Readonly<Record<OutputForm, string>> = {
  logits: 'scores',
  probabilities: 'probabilities of a softmax, which is taken off',
  'log-probabilities': 'logarithms of the probabilities of a softmax, which is taken off',
  sigmoid: 'probabilities of a sigmoid, which is taken off',
  'rounded-probabilities': 'probabilities of a softmax, rounded or limited, which is taken off with that',
  'rounded-sigmoid': 'probabilities of a sigmoid, rounded or limited, which is taken off with that',
};

const outputText = ({ name, form, single }: OutputPlan, classes: number): string =>
  single
    ? `${name} gives one number (${endings[form]}), of which two classes are made: class 1 above ${form.endsWith('sigmoid') ? 0.5 : 0}`
    : `${name} gives ${classes} classes: ${endings[form]}`;

/** Float32 sums in another order differ by less than the first, in parts of the largest logit. */
const isHalf = (notes: readonly string[]): boolean => notes.some((line) => line.includes('float16'));

/** In half precision, small probabilities are 0 and have no logarithm. */
function roundedForm(form: OutputForm): OutputForm {
  return form === 'probabilities' || form === 'sigmoid' ? `rounded-${form}` : form;
}

function toleranceOf({ operators }: ModelDescription, notes: readonly string[]): number {
  if (Object.keys(operators).some((name) => name.includes('Quantize'))) return 0.1;
  return isHalf(notes) ? 0.02 : 1e-3;
}
