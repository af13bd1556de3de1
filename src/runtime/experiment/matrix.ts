import { z } from 'zod';
import { inOrder, type ImageSource } from '../data/source.ts';
import type { Model, SessionOptions } from '../session.ts';
import { attackedBy } from './attacked.ts';
import type { Cell } from './cells.ts';
import { Sessions } from './sessions.ts';
import { kept, type Journal } from './journal.ts';
import type { EvaluationProgress } from './evaluate.ts';
import { Matrix as MatrixSchema, type Matrix, type Player } from './evaluation.ts';
import { StoredTally, Tally } from '../audit/tally.ts';

const batchSize = 250;

/** A cell and the run that it belongs to, as the matrix names it: `.` for the evaluated run itself. */
export interface MatrixCell {
  readonly run: string;
  readonly cell: Cell;
}

/**
 * Every attacker against every classifier, of one run or several. A classifier that several cells share stands there
 * once. Attacks are made as their cell made them: at its eps, clipped or not.
 */
export async function* crossAttack(
  cells: readonly MatrixCell[],
  split: ImageSource,
  options: SessionOptions & { readonly journal: Journal },
): AsyncGenerator<EvaluationProgress, Matrix> {
  const { journal } = options;
  const classifiers = distinct(
    cells.flatMap((from) => [entryOf(from, 'c1'), ...(from.cell.hasTransfer ? [entryOf(from, 'c2')] : [])]),
  );
  const attackers = cells.map((from) => entryOf(from, 'attacker'));
  const sessions = new Sessions(options);
  let opened: readonly Model[] | undefined;
  const openAll = async (): Promise<readonly Model[]> => {
    const models: Model[] = [];
    for (const { load } of classifiers) models.push(await sessions.model(await load()));
    return models;
  };
  const score = async function* (
    title: string,
    attacker: Model | null,
  ): AsyncGenerator<EvaluationProgress, readonly Tally[]> {
    const models = (opened ??= await openAll());
    const tallies = models.map(() => new Tally(split.count));
    for await (const { start, image, label } of inOrder(split, batchSize)) {
      const seen = attacker ? await attackedBy(attacker, image) : image;
      for (const [i, model] of models.entries()) {
        const { logits } = await model.run({ image: seen });
        tallies[i]!.set(start, logits!.data as Float32Array, label.data as Int32Array);
      }
      yield { title, done: start + label.data.length, total: split.count };
    }
    return tallies;
  };
  try {
    const clean = yield* kept(journal, 'matrix clean', z.array(StoredTally), () =>
      score('matrix: clean', null),
    );
    const rows: Row[] = [];
    for (const [i, { player, target, load }] of attackers.entries()) {
      const row = yield* kept(journal, `matrix ${player.name}`, Row, async function* () {
        const own = new Sessions(options);
        try {
          const title = `matrix: attacker ${i + 1}/${attackers.length}`;
          const tallies = yield* score(title, await own.model(await load()));
          const home = clean[classifiers.findIndex((other) => other.player.model === target)]!;
          return {
            attacked: tallies.map((tally) => tally.measure()),
            transfer: tallies.map((tally, j) => stillRight(home, clean[j]!, tally)),
          };
        } finally {
          await own.close();
        }
      });
      rows.push(row);
    }
    return {
      attackers: attackers.map(({ player }) => player),
      classifiers: classifiers.map(({ player }) => player),
      images: split.count,
      clean: clean.map((tally) => tally.measure()),
      attacked: rows.map(({ attacked }) => attacked),
      transfer: rows.map(({ transfer }) => transfer),
    };
  } finally {
    await sessions.close();
  }
}

/** What one attacker leaves of every classifier, as a journal has it. */
const Row = z.strictObject({
  attacked: MatrixSchema.shape.attacked.element,
  transfer: MatrixSchema.shape.transfer.element,
});
type Row = z.infer<typeof Row>;

/** Of the images that both classifiers had right, which part the attacked one still has. */
function stillRight(home: Tally, before: Tally, after: Tally): Matrix['transfer'][number][number] {
  let images = 0;
  let right = 0;
  for (const [i, one] of home.right.entries()) {
    if (one && before.right[i]) {
      images++;
      right += after.right[i]!;
    }
  }
  return { images, accuracy: images === 0 ? null : right / images };
}

interface MatrixEntry {
  readonly player: Player;
  /** SHA-256 of the C1 that an attacker of this cell was trained on. */
  readonly target: string;
  readonly load: () => Promise<Uint8Array>;
}

const letters = { attacker: 'A', c1: 'C1', c2: 'C2' } as const;

function entryOf({ run, cell }: MatrixCell, role: Player['role']): MatrixEntry {
  const { folder, mode, eps, seed, clip, architecture, models } = cell;
  const at = run === '.' ? folder : `${run}/${folder}`;
  return {
    player: {
      name: `${letters[role]} ${at}`,
      run,
      folder,
      role,
      mode,
      eps,
      seed,
      clip,
      architecture,
      model: models[role],
    },
    target: models.c1,
    load: () => cell.load(role),
  };
}

const distinct = (entries: readonly MatrixEntry[]): readonly MatrixEntry[] =>
  entries.filter(({ player }, i) => entries.findIndex((other) => other.player.model === player.model) === i);
