import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { valuesOf, type StoredSource } from '../../runtime/data/source.ts';
import { constrain } from '../../runtime/attacks/constrain.ts';
import {
  toBase64,
  type DemoData,
  type DemoSamples,
  type Favourite,
  type FirstResult,
} from '../../runtime/experiment/demo-data.ts';
import {
  loadDigits,
  openModel,
  paperData,
  readResult,
  type Digits,
  type RunConfig,
} from '../../runtime/index.ts';
import { float32 } from '../../runtime/tensor.ts';
import { bytesOf, type Catalogue, type Cell, type StoredModel } from '../../server/index.ts';
import { version } from '../version.ts';
import { packDigits } from './demo-spar.ts';

/** How many images of each class the demo brings along. */
const perClass = 10;

/** What `demo.json` holds, and the samples that it was made of. */
export interface Prepared {
  readonly data: DemoData;
  /** The first result as pictures; null without samples. */
  readonly pictures: Pictures | null;
  /** Digits for live training in the page, packed; null where there are none. */
  readonly digits: Uint8Array | null;
}

/** One attacked image: `width * height` values each. */
export interface Pictures {
  readonly width: number;
  readonly height: number;
  readonly eps: number;
  readonly original: Float32Array;
  readonly change: Float32Array;
  readonly attacked: Float32Array;
}

/**
 * Gathers samples of the run's own data, and attacks them once.
 *
 * @param run the folder of a finished run.
 * @param catalogue of the same run, with the models of the demo.
 */
export async function prepareDemo(run: string, catalogue: Catalogue): Promise<Prepared> {
  const { config } = (await readResult({ result: join(run, 'result.json') }))!;
  const found = await ownData(config.data);
  const about = { schema: 1, version, repository: repository() } as const;
  if (typeof found === 'string') {
    return {
      data: { ...about, samples: null, noSamples: found, first: null, favourites: {} },
      pictures: null,
      digits: null,
    };
  }
  const { name, test } = found;
  const indices = test.classes.flatMap((_, label) => firstOf(test, label));
  const batch = await test.read(indices);
  const images = batch.image.data as Float32Array;
  const size = valuesOf(test.shape);
  const { width, height } = test.shape;
  const samples: DemoSamples = {
    name,
    width,
    height,
    classes: test.classes.length,
    indices,
    labels: indices.map((i) => test.stored.labels[i]!),
    pixels: toBase64(
      Buffer.concat(indices.map((i) => test.stored.images.subarray(i * size, (i + 1) * size))),
    ),
  };
  const at = Math.max(0, samples.labels.indexOf(7));
  const favourites: Record<string, Favourite> = {};
  const firstCell = openedFirst(catalogue.cells);
  let first: FirstResult | null = null;
  let pictures: Pictures | null = null;
  for (const cell of catalogue.cells) {
    const attacker = cell.models.attackerCompact ?? cell.models.attacker;
    const perturbation = await outputOf(attacker, images, batch.image.shape, 'perturbation');
    const attacked = constrain(images, perturbation, { ...cell, bits: null });
    const answers = await outputOf(cell.models.c1, attacked, batch.image.shape, 'probabilities');
    favourites[cell.folder] = favouriteOf(answers, indices.length);
    if (cell !== firstCell) continue;
    const part = (values: Float32Array): Float32Array => values.slice(at * size, (at + 1) * size);
    const [original, after] = [part(images), part(attacked)];
    pictures = {
      width,
      height,
      eps: cell.eps,
      original,
      change: after.map((value, i) => value - original[i]!),
      attacked: after,
    };
    first = {
      folder: cell.folder,
      index: indices[at]!,
      attacker: attacker.sha256,
      perturbation: toBase64(new Uint8Array(part(perturbation).buffer)),
      predictions: await predictionsOf(catalogue.cells, original, after, batch.image.shape),
    };
  }
  return {
    data: { ...about, samples, noSamples: null, first, favourites },
    pictures,
    digits: packDigits(found),
  };
}

/** The cell that the page opens with: of the first kind of attackers, the one with the largest eps. */
function openedFirst(cells: readonly Cell[]): Cell {
  const [one] = cells;
  return cells
    .filter(
      ({ mode, clip, bound, seed }) =>
        mode === one!.mode && clip === one!.clip && bound === one!.bound && seed === one!.seed,
    )
    .reduce((best, cell) => (cell.eps > best.eps ? cell : best));
}

/** The data set that the run was trained on, told by its hash; or why it cannot be had. */
async function ownData({
  source,
  sha256,
}: RunConfig['data']): Promise<Pick<Digits, 'name' | 'train' | 'test'> | string> {
  const mnist = await loadDigits(paperData).catch(() => null);
  // a copy of MNIST in a folder is MNIST, and need not be there any more
  if (mnist?.sha256 === sha256) return { ...mnist, name: paperData };
  // `mnist` is what the page knows digits by
  const name = basename(source) === paperData ? 'other data called mnist' : basename(source);
  if (source === paperData) {
    return 'This run was trained on another version of MNIST, so the page has no sample images. Draw one.';
  }
  const own = await loadDigits(source).catch(() => null);
  if (!own) {
    return `The data set of this run, ${name}, was not found when this page was made, so there are no sample images. Draw one.`;
  }
  if (own.sha256 !== sha256) {
    return `The data set ${name} has changed since this run was trained, so there are no sample images. Draw one.`;
  }
  return { ...own, name };
}

const firstOf = ({ stored: { labels } }: StoredSource, label: number): readonly number[] =>
  [...labels.keys()].filter((i) => labels[i] === label).slice(0, perClass);

/** The class that stands first most often in rows of probabilities. */
function favouriteOf(probabilities: Float32Array, images: number): Favourite {
  const classes = probabilities.length / images;
  const counts = new Array<number>(classes).fill(0);
  for (let i = 0; i < images; i++) {
    const row = probabilities.subarray(i * classes, (i + 1) * classes);
    counts[row.indexOf(Math.max(...row))]!++;
  }
  const count = Math.max(...counts);
  return { label: counts.indexOf(count), count, images };
}

/** What each classifier of the run says of one image before and after the attack, by the hash of its file. */
async function predictionsOf(
  cells: readonly Cell[],
  before: Float32Array,
  after: Float32Array,
  shape: readonly number[],
): Promise<FirstResult['predictions']> {
  const predictions: Record<string, FirstResult['predictions'][string]> = {};
  const both = Float32Array.from([...before, ...after]);
  for (const model of cells.flatMap(({ models: { c1, c2 } }) => (c2 ? [c1, c2] : [c1]))) {
    if (predictions[model.sha256]) continue;
    const said = [...(await outputOf(model, both, [2, ...shape.slice(1)], 'probabilities'))];
    predictions[model.sha256] = {
      before: said.slice(0, said.length / 2),
      after: said.slice(said.length / 2),
    };
  }
  return predictions;
}

/** Runs a model once, on one thread of the CPU. */
async function outputOf(
  stored: StoredModel,
  images: Float32Array,
  shape: readonly number[],
  output: string,
): Promise<Float32Array> {
  const model = await openModel(await bytesOf(stored), { device: 'cpu', threads: 1 });
  try {
    return (await model.run({ image: float32([...shape], images) }))[output]!.data as Float32Array;
  } finally {
    await model.close();
  }
}

/** The address of the project, when package.json knows one. */
function repository(): string | null {
  const file = new URL('../../../package.json', import.meta.url);
  if (!existsSync(file)) return null;
  const { repository: own } = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly repository?: string | { readonly url?: string };
  };
  const url = typeof own === 'string' ? own : own?.url;
  return url ? url.replace(/^git\+/, '').replace(/\.git$/, '') : null;
}
