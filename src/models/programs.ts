import {
  adam,
  cast,
  concat,
  div,
  inference,
  input,
  jointStep,
  neg,
  nn,
  repeatSteps,
  slice,
  softmax,
  stopGradient,
  trainStep,
  type Graph,
  type Program,
  type Resident,
  type TrainStep,
  type Value,
} from '../builder/index.ts';
import { accuracy, mean } from './accuracy.ts';
import { adversarialTrain, type DefenceSettings } from './adversarial.ts';
import { attack, attacker, type ThreatModel } from './networks/generator.ts';
import { networks, paperSizes, type Architecture, type Sizes } from './networks/index.ts';
import { givenClassifier } from './classifier/given.ts';
import { beforeSoftmax } from './classifier/ports.ts';
import {
  alternatingOptimizer,
  attackerOptimizer,
  begun,
  measuredPhase,
  targetPhase,
  type Readings,
} from './readings.ts';

const dimsOf = ({ image: { channels, height, width } }: Sizes) => [channels, height, width] as const;
const imageInput = (batch: number | string, sizes: Sizes): Value =>
  input('image', 'float32', [batch, ...dimsOf(sizes)]);
const labelInput = (batch: number | string): Value => input('label', 'int32', [batch]);

/** What a training program is built for. */
export interface TrainOptions {
  readonly batchSize: number;
  readonly learningRate: number;
  /** Of the classifier; the paper's when it is left out. */
  readonly architecture?: Architecture | undefined;
  /** The images and classes of the data; the paper's when they are left out. */
  readonly sizes?: Sizes | undefined;
}

/** The architecture among a program's options; the paper's goes without saying. */
const named = (architecture: Architecture) => (architecture === 'paper' ? {} : { architecture });

const picked = ({ eps, bound, clip }: ThreatModel) => ({ eps, bound, clip });

/** One Adam step of C on clean images: minimises the cross-entropy (paper, section 2.1). */
export function classifierStep({
  batchSize,
  learningRate,
  architecture = 'paper',
  sizes = paperSizes,
}: TrainOptions): TrainStep {
  const image = imageInput(batchSize, sizes);
  const label = labelInput(batchSize);
  const { result: logits, parameters } = nn.declare('classifier', 'train', (scope) =>
    networks[architecture](scope, image, sizes),
  );
  const loss = nn.crossEntropy(logits, label);
  return {
    name: 'classifier-train',
    loss,
    parameters,
    optimizer: adam({ learningRate, network: 'classifier' }),
    data: [image, label],
    metrics: { loss, accuracy: accuracy(logits, label) },
    options: { batchSize, learningRate, ...named(architecture) },
  };
}

export const classifierTrain = (options: TrainOptions): Program => trainStep(classifierStep(options));

/** What a program that hardens C is built for. */
export interface HardenedTrainOptions extends Omit<TrainOptions, 'learningRate'> {
  /** The attack inside a step, and what is learned from it. */
  readonly defence: DefenceSettings;
}

/**
 * One Adam step of C on attacked images, as the hardening of any classifier does it ({@link adversarialTrain}). C has been
 * trained on clean images before: batch norm keeps the running statistics of those, for the attack and for what is learned.
 */
export function hardenedTrain({
  batchSize,
  architecture = 'paper',
  sizes = paperSizes,
  defence,
}: HardenedTrainOptions): Program {
  const classifier = (scope: nn.Scope, image: Value): Value => networks[architecture](scope, image, sizes);
  const { parameters } = nn.declare('classifier', 'infer', (scope) =>
    classifier(scope, imageInput(batchSize, sizes)),
  );
  const logits = (image: Value): Value =>
    nn.inferWith(parameters, 'classifier', (scope) => classifier(scope, image));
  return adversarialTrain({ batch: batchSize, logits, parameters }, sizes.image, {
    name: 'hardened-train',
    ...defence,
    average: 0,
  });
}

/** What a program that trains A is built for. */
export interface AttackerTrainOptions extends TrainOptions, ThreatModel, Readings {
  /** How many classifiers A is trained against: the first, and further ones of other seeds. 1 when left out. */
  readonly targets?: number;
  /** Channels of A's first convolution: 64 when left out, the paper's. */
  readonly width?: number | undefined;
}

/** The weights of the classifiers that A is trained against beside the first stand under these names. */
const furtherTargets = (targets: number): readonly string[] =>
  Array.from({ length: targets - 1 }, (_, i) => `target${i + 2}`);

/** Classifiers that are not trained, each with weights of its own. */
const frozenClassifiers = (
  names: readonly string[],
  architecture: Architecture,
  image: Value,
  { classes }: Sizes,
  phase: 'infer' | 'batch',
) =>
  names.map((name) => nn.declare(name, phase, (scope) => networks[architecture](scope, image, { classes })));

const chosen = ({ targets = 1, width = 64, ...options }: AttackerTrainOptions) => ({
  batchSize: options.batchSize,
  learningRate: options.learningRate,
  ...picked(options),
  ...named(options.architecture ?? 'paper'),
  ...(targets > 1 && { targets }),
  ...(options.readings && { readings: options.readings.join() }),
  ...(width !== 64 && { width }),
});

/**
 * One Adam step of A against a frozen classifier, which stands in inference form with its running statistics: minimises
 * the negative cross-entropy between the labels and C's answer to the attacked images (paper, section 2.1.1). With
 * several targets it is the mean over them (section 3.4), and so are the metrics.
 *
 * @param against takes the place of C: a classifier with its weights inside, `image` [N,C,H,W] -> `logits` [N,classes]. A
 *   softmax at its end is left out.
 */
export function attackerStep(options: AttackerTrainOptions, against?: Graph): TrainStep {
  const { batchSize, architecture = 'paper', targets = 1, sizes = paperSizes } = options;
  const image = imageInput(batchSize, sizes);
  const label = labelInput(batchSize);
  const own = nn.declare('attacker', 'train', (scope) => attacker(scope, image, options));
  const attacked = attack(image, own.result, options);
  const frozen = against
    ? []
    : frozenClassifiers(
        ['classifier', ...furtherTargets(targets)],
        architecture,
        attacked,
        sizes,
        targetPhase(options),
      );
  const answers = against
    ? [beforeSoftmax(givenClassifier(against, attacked, sizes.classes))]
    : frozen.map(({ result }) => result);
  const loss = mean(answers.map((logits) => nn.crossEntropy(logits, label)));
  return {
    name: 'attacker-train',
    loss: neg(loss),
    parameters: begun(own.parameters, options),
    frozen: frozen.map(({ parameters }) => parameters),
    optimizer: attackerOptimizer(options),
    data: [image, label],
    metrics: { loss, accuracy: mean(answers.map((logits) => accuracy(logits, label))) },
    options: chosen(options),
  };
}

/** {@link attackerStep} as a program. */
export const attackerTrain = (options: AttackerTrainOptions, against?: Graph): Program =>
  trainStep(attackerStep(options, against));

/** C measured with its running statistics: `image`, `label` -> `loss`, `accuracy`, and the `logits`. */
export function classifierEval(architecture: Architecture = 'paper', sizes: Sizes = paperSizes): Program {
  const [image, label] = [imageInput('batch', sizes), labelInput('batch')];
  const own = nn.declare('classifier', 'infer', (scope) => networks[architecture](scope, image, sizes));
  const logits = own.result;
  return inference({
    name: 'classifier-eval',
    data: [image, label],
    parameters: [own.parameters],
    outputs: { loss: nn.crossEntropy(logits, label), accuracy: accuracy(logits, label), logits },
  });
}

/**
 * C under the attacks of A, both with their running statistics: `image`, `label` -> C's `loss` and `accuracy`, and A's
 * `perturbation` and `attacked`.
 */
export function attackerEval({
  architecture = 'paper',
  sizes = paperSizes,
  ...threat
}: ThreatModel & Pick<AttackerTrainOptions, 'architecture' | 'sizes' | 'width'>): Program {
  const [image, label] = [imageInput('batch', sizes), labelInput('batch')];
  const own = nn.declare('attacker', 'infer', (scope) => attacker(scope, image, threat));
  const attacked = attack(image, own.result, threat);
  const target = nn.declare('classifier', 'infer', (scope) => networks[architecture](scope, attacked, sizes));
  return inference({
    name: 'attacker-eval',
    data: [image, label],
    parameters: [own.parameters, target.parameters],
    outputs: {
      loss: nn.crossEntropy(target.result, label),
      accuracy: accuracy(target.result, label),
      perturbation: own.result,
      attacked,
    },
  });
}

/**
 * One step of A and one of C on the same attacked batch (paper, section 2.1.2). A is trained as in {@link attackerTrain},
 * against C in inference form; C minimises the cross-entropy of its answers to the attacked images, in training form and
 * with A's output taken as given. Both start from the weights before the step, so that A's forward pass is done once:
 * C learns from the attack that A has just been judged by. Metrics of both, on that batch. Further targets are frozen.
 *
 * With the reading `separate-batches`, each of the two has a half of the batch.
 */
export function alternatingTrain(options: AttackerTrainOptions): Program {
  const { batchSize, architecture = 'paper', targets = 1, sizes = paperSizes, readings = [] } = options;
  const data = [imageInput(batchSize, sizes), labelInput(batchSize)] as const;
  const apart = readings.includes('separate-batches');
  const middle = batchSize / 2;
  if (apart && !Number.isInteger(middle))
    throw new Error(`the reading separate-batches needs an even batch size, got ${batchSize}`);
  const rowsOf = (from: number, to: number): readonly Value[] =>
    apart ? data.map((rows) => slice(rows, [from], [to], [0])) : data;
  const [image, label] = rowsOf(0, middle) as [Value, Value];
  const own = nn.declare('attacker', 'train', (scope) => attacker(scope, image, options));
  const attacked = attack(image, own.result, options);

  const [learnt, learntLabel] = rowsOf(middle, batchSize) as [Value, Value];
  const attackOn = (x: Value): Value =>
    nn.inferWith(own.parameters, 'attacker', (scope) => attacker(scope, x, options), 'batch');
  const adversarial = stopGradient(apart ? attack(learnt, attackOn(learnt), options) : attacked);
  const cleanToo = readings.includes('clean-too');
  const shown = cleanToo ? concat([adversarial, learnt], 0) : adversarial;
  const shownLabel = cleanToo ? concat([learntLabel, learntLabel], 0) : learntLabel;

  const classifier = (scope: nn.Scope, x: Value): Value => networks[architecture](scope, x, sizes);
  const learner = nn.declare('classifier', 'train', (scope) => classifier(scope, shown));
  const phase = targetPhase(options);
  const target = nn.inferWith(
    learner.parameters,
    'classifier',
    (scope) => classifier(scope, attacked),
    phase,
  );
  const frozen = frozenClassifiers(furtherTargets(targets), architecture, attacked, sizes, phase);
  const answers = [target, ...frozen.map(({ result }) => result)];
  const attackerLoss = mean(answers.map((logits) => nn.crossEntropy(logits, label)));
  const classifierLoss = nn.crossEntropy(learner.result, shownLabel);
  return jointStep({
    name: 'alternating-train',
    learners: [
      {
        loss: neg(attackerLoss),
        parameters: begun(own.parameters, options),
        optimizer: attackerOptimizer(options),
      },
      {
        loss: classifierLoss,
        parameters: learner.parameters,
        optimizer: alternatingOptimizer(options),
      },
    ],
    frozen: frozen.map(({ parameters }) => parameters),
    data,
    metrics: {
      'attacker/loss': attackerLoss,
      'attacker/accuracy': mean(answers.map((logits) => accuracy(logits, label))),
      'classifier/loss': classifierLoss,
      'classifier/accuracy': accuracy(learner.result, shownLabel),
    },
    options: chosen(options),
  });
}

/** C as it is used: `image` [batch,C,H,W] in 0..1 -> `logits` and `probabilities` [batch,classes]. */
export function classifierInfer(
  architecture: Architecture = 'paper',
  sizes: Sizes = paperSizes,
  options: Readings = {},
): Program {
  const image = imageInput('batch', sizes);
  const { result: logits, parameters } = nn.declare('classifier', measuredPhase(options), (scope) =>
    networks[architecture](scope, image, sizes),
  );
  return inference({
    name: 'classifier',
    data: [image],
    parameters: [parameters],
    outputs: { logits, probabilities: softmax(logits) },
    options: named(architecture),
  });
}

/** A as it is used: `image` -> `perturbation` in [-eps, eps] and `attacked`, all [batch,C,H,W]. */
export function attackerInfer(threat: ThreatModel & Readings, sizes: Sizes = paperSizes): Program {
  const image = imageInput('batch', sizes);
  const { result: perturbation, parameters } = nn.declare('attacker', measuredPhase(threat), (scope) =>
    attacker(scope, image, threat),
  );
  return inference({
    name: 'attacker',
    data: [image],
    parameters: [parameters],
    outputs: { perturbation, attacked: attack(image, perturbation, threat) },
    options: picked(threat),
  });
}

/** Examples as a data set stores them: pixels, uint8, become 0..1; labels are int32. */
const stored = (image: readonly number[]): Resident => ({
  image: {
    row: { name: 'image', dtype: 'uint8', shape: image },
    from: (rows) => div(cast(rows, 'float32'), 255),
  },
  label: { row: { name: 'label', dtype: 'int32', shape: [] }, from: (rows) => rows },
});

/**
 * A lowered training program that does a step for each row of `indices` [steps, batch], on a stored data set. What it takes
 * beside images and labels is given for each step.
 */
export function onStored(program: Program): Program {
  const { shape } = program.metadata.data.find(({ name }) => name === 'image')!;
  return repeatSteps(program, stored(shape.slice(1) as readonly number[]));
}

/** The programs in `graphs/`: the quick preset's, at batch 100. */
export function committedPrograms(): Readonly<Record<string, Program>> {
  const train = { batchSize: 100, learningRate: 1e-3 };
  const threat: ThreatModel = { eps: 0.16, bound: 'tanh', clip: true };
  return {
    'classifier-train': classifierTrain(train),
    'classifier-infer': classifierInfer(),
    'attacker-train': attackerTrain({ ...train, ...threat }),
    'alternating-train': alternatingTrain({ ...train, ...threat }),
    'attacker-infer': attackerInfer(threat),
  };
}
