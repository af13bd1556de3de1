import { rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { openLoaded } from '../../api/classifier.ts';
import { hashOf, identityOf } from '../../api/identity.ts';
import { imageOptions, loadClassifier, naming, withGradient, type Loaded } from '../../api/load.ts';
import { node } from '../../api/node.ts';
import { input, type Graph } from '../../builder/index.ts';
import type { AttackerKind, AttackerPlan, AttackerTraining, Objective } from '../../models/attackers.ts';
import { givenClassifier } from '../../models/classifier/given.ts';
import type { Bound } from '../../models/networks/generator.ts';
import type { AttackerCard, AttackerMeasure } from '../../runtime/attacker/card.ts';
import { loadAttackerCheckpoint, saveAttacker } from '../../runtime/attacker/checkpoint.ts';
import { measureAttacker } from '../../runtime/attacker/measure.ts';
import { trainAttacker, type AttackerCheckpoint } from '../../runtime/attacker/train.ts';
import { labelledBy } from '../../runtime/data/answers.ts';
import { drawn } from '../../runtime/data/chosen.ts';
import { openDataset } from '../../runtime/data/formats.ts';
import { writeAtomic } from '../../runtime/files.ts';
import { InputError, type ImageSource, type Tensors } from '../../runtime/index.ts';
import { adoption, type AdoptFlags } from '../adopt-options.ts';
import { sayPictures } from '../audit/subject.ts';
import { commandLine } from '../command-line.ts';
import { withForce } from '../diverged.ts';
import { defaultThreads } from '../options.ts';
import { createProgress, type ProgressReporter } from '../progress.ts';
import { settingsHash } from '../settings-hash.ts';
import { exitCodeOf, quitHint, stopController } from '../signals.ts';
import { checkpointOf, demandOut, makeOut } from './out.ts';
import { attackerFile, trainingProgram } from './programs.ts';
import { measuresText } from './table.ts';

/** The flags of `sparring train-attacker`, as commander gives them. */
export interface TrainAttackerFlags {
  readonly data: string;
  readonly eps: readonly [low: number, high: number];
  readonly out: string;
  readonly kind: AttackerKind;
  readonly targeted?: true;
  readonly width: number;
  readonly bound: Bound;
  readonly objective: Objective;
  readonly spread: number;
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate?: number;
  readonly seed: number;
  readonly trainLimit?: number;
  readonly testLimit: number;
  readonly device: 'cpu' | 'cuda';
  readonly threads?: number;
  readonly json?: true;
  readonly force?: true;
}

/** Adam's rate for each kind: a network of many weights, or pixels themselves. */
const usualRate: { readonly [K in AttackerKind]: number } = { generator: 1e-3, universal: 0.02 };

/** A classifier to train against. */
interface Victim {
  readonly loaded: Loaded;
  readonly graph: Graph;
}

/** All that was read and checked before the long work. */
interface Prepared {
  readonly plan: AttackerPlan;
  readonly training: AttackerTraining;
  readonly victims: readonly Victim[];
  readonly train: ImageSource;
  readonly test: ImageSource;
  readonly session: { readonly device: 'cpu' | 'cuda'; readonly threads: number };
  readonly flags: TrainAttackerFlags;
}

/**
 * Trains an attacker, writes its file, measures it and prints what was measured.
 *
 * @param words the arguments of `sparring`, to resume with.
 * @throws InputError before long work, when an option or an input is wrong.
 */
export async function runTrainAttacker(
  models: readonly string[],
  flags: TrainAttackerFlags,
  adopt: AdoptFlags,
  words: readonly string[],
): Promise<void> {
  const prepared = await prepare(models, flags, adopt);
  const progress = createProgress(process.stderr);
  try {
    const kept = checkpointOf(flags.out);
    const trained = await train(prepared, kept, progress, words);
    if (!trained) return;
    const measured = await measure(prepared, trained.state, progress);
    await writeAtomic(flags.out, fileOf(prepared, trained.state, measured));
    await rm(kept, { force: true });
    console.log(flags.json ? JSON.stringify(cardOf(prepared, measured), null, 2) : measuresText(measured));
    if (!flags.json) console.log(flags.out);
  } finally {
    progress.done();
  }
}

async function prepare(
  models: readonly string[],
  flags: TrainAttackerFlags,
  adopt: AdoptFlags,
): Promise<Prepared> {
  const { kind, eps, bound, targeted = false, width, batchSize, objective, spread } = flags;
  const { learningRate = usualRate[kind] } = flags;
  const session = { device: flags.device, threads: flags.threads ?? defaultThreads };
  const options = await adoption(adopt);
  const victims: Victim[] = [];
  for (const model of models) {
    const loaded = await loadClassifier(node, model, options);
    const { graph } = await naming(model, () => withGradient(loaded.classifier, 'trained against'));
    victims.push({ loaded, graph });
  }
  const loaded = victims.map((victim) => victim.loaded);
  await demandOut(flags.out, flags.force ?? false, loaded);
  const { image, classes } = victims[0]!.loaded.classifier;
  const plan: AttackerPlan = {
    kind,
    eps,
    bound: kind === 'universal' ? 'tanh' : bound,
    targeted,
    width,
    image,
    classes,
  };
  const batch = input('probe', 'float32', [batchSize, image.channels, image.height, image.width]);
  for (const { loaded, graph } of victims) {
    await naming(loaded.name, () => givenClassifier(graph, batch, classes));
  }
  const dataset = await openDataset(flags.data, { ...imageOptions(victims[0]!.loaded), train: true });
  sayPictures(victims[0]!.loaded, dataset.test);
  await makeOut(flags.out);
  if (!dataset.train) {
    process.stderr.write(
      `${flags.data} has one part: the attacker is trained on the images that it is measured on, and others may withstand it better\n`,
    );
  }
  const subjects = await labelled([dataset.train ?? dataset.test, dataset.test], victims[0]!, session);
  const [all, test] = [subjects[0]!, subjects[1]!];
  const train = await drawn(all, flags.trainLimit, flags.seed);
  if (train.count < batchSize) {
    throw new InputError(
      `${flags.data}: ${train.count} images are fewer than --batch-size ${batchSize}; make that smaller`,
    );
  }
  return {
    plan,
    training: { batchSize, learningRate, objective, spread },
    victims,
    train,
    test: await drawn(test, flags.testLimit, flags.seed),
    session,
    flags,
  };
}

/** Images with labels: where they have none, the answers of the first classifier. */
async function labelled(
  sources: readonly ImageSource[],
  { loaded }: Victim,
  session: Prepared['session'],
): Promise<readonly ImageSource[]> {
  // compares the graph with the file, whatever the labels
  const opened = await openLoaded(node, loaded, session);
  try {
    const found: ImageSource[] = [];
    for (const source of sources) {
      found.push(source.labels === 'unknown' ? await labelledBy(source, opened) : source);
    }
    return found;
  } finally {
    await opened.close();
  }
}

/** Trains to the end, with checkpoints. Null when a signal stopped it: the exit code is then set. */
async function train(
  { plan, training, victims, train: source, session, flags }: Prepared,
  kept: string,
  progress: ProgressReporter,
  words: readonly string[],
): Promise<AttackerCheckpoint | null> {
  const { epochs, seed, batchSize } = flags;
  const { sha256, count, labels } = source;
  const against = victims.map(({ loaded }) => identityOf(loaded));
  const what = { plan, training, epochs, seed, against, data: { sha256, count, labels } };
  const settings = await settingsHash(what, session);
  if (flags.force) await rm(kept, { force: true });
  const from = await loadAttackerCheckpoint(kept, settings);
  if (from) progress.log(`resuming after ${from.epochs.length} of ${epochs} epochs`);
  const stop = stopController((signal) => progress.log(`${signal}: saving a checkpoint; ${quitHint}`));
  try {
    const program = trainingProgram(
      plan,
      training,
      victims.map(({ graph }) => graph),
      session.device,
    );
    const work = trainAttacker({
      program,
      source,
      session,
      plan,
      seed,
      epochs,
      batchSize,
      from,
      signal: stop.signal,
    });
    const advance = () =>
      work.next().catch(async (error: unknown) => {
        throw await withForce(error, kept);
      });
    let next = await advance();
    for (; !next.done; next = await advance()) {
      const event = next.value;
      if (event.kind === 'checkpoint') {
        await saveAttacker(kept, event.checkpoint, settings);
        continue;
      }
      const { epoch, done, total, sums } = event;
      const [loss, success] = [sums.loss / sums.steps, (100 * sums.success) / sums.steps];
      progress.update({
        title: `epoch ${epoch}/${epochs}`,
        done,
        total,
        note: `loss ${loss.toFixed(3)}, success ${success.toFixed(1)} %`,
      });
    }
    progress.done();
    const received = stop.received();
    if (next.value.epochs.length === epochs) return next.value;
    process.stderr.write(`saved ${kept}; resume with: ${commandLine(...resuming(words))}\n`);
    process.exitCode = exitCodeOf(received ?? 'SIGTERM');
    return null;
  } finally {
    stop.dispose();
  }
}

/** A command that goes on from a checkpoint, which `--force` would remove. */
const resuming = (words: readonly string[]): readonly string[] => words.filter((word) => word !== '--force');

/** What the attacker does to the first classifier, by eps. */
async function measure(
  prepared: Prepared,
  state: Tensors,
  progress: ProgressReporter,
): Promise<readonly AttackerMeasure[]> {
  const { plan, victims, test, session } = prepared;
  const { kind, eps, targeted } = plan;
  const attacker = fileOf(prepared, state, []);
  const opened = await openLoaded(node, victims[0]!.loaded, session, {
    [kind]: { attacker, eps, targeted },
  });
  const [low, high] = eps;
  const sizes = low === high ? [high] : [8, 4, 2, 1].map((part) => high / part).filter((each) => each >= low);
  try {
    const measured: AttackerMeasure[] = [];
    for (const size of sizes) {
      const work = measureAttacker(opened, kind, test, size);
      const shown = (done: number): void =>
        progress.update({ title: `measuring at eps ${size}`, done, total: test.count });
      shown(0);
      let next = await work.next();
      for (; !next.done; next = await work.next()) shown(next.value);
      measured.push(next.value);
    }
    progress.done();
    return measured;
  } finally {
    await opened.close();
  }
}

function cardOf(
  { plan, training, victims, train: source, flags }: Prepared,
  measured: readonly AttackerMeasure[],
): AttackerCard {
  const { kind, eps, targeted, bound, image, classes } = plan;
  return {
    schema: 1,
    kind,
    eps: [...eps],
    targeted,
    bound,
    width: kind === 'generator' ? plan.width : null,
    image: { ...image },
    classes,
    against: victims.map(({ loaded }) => ({ name: basename(loaded.name), sha256: hashOf(loaded) })),
    training: {
      data: { name: source.name, sha256: source.sha256, images: source.count },
      epochs: flags.epochs,
      seed: flags.seed,
      ...training,
    },
    measured: [...measured],
  };
}

const fileOf = (prepared: Prepared, state: Tensors, measured: readonly AttackerMeasure[]): Uint8Array =>
  attackerFile(prepared.plan, state, cardOf(prepared, measured));
