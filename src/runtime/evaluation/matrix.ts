import { inOrder } from '../batches.ts';
import type { Split } from '../datasets/index.ts';
import type { Model, SessionOptions } from '../session.ts';
import { attackedBy } from './attacked.ts';
import type { Cell } from './cells.ts';
import { Sessions } from './players.ts';
import type { EvaluationProgress } from './run.ts';
import type { Matrix, Player } from './schema.ts';
import { Tally } from './tally.ts';

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
  split: Split,
  options: SessionOptions,
): AsyncGenerator<EvaluationProgress, Matrix> {
  const classifiers = distinct(cells.flatMap((from) => [seat(from, 'c1'), seat(from, 'c2')]));
  const attackers = cells.map((from) => seat(from, 'attacker'));
  const sessions = new Sessions(options);
  try {
    const models: Model[] = [];
    for (const { load } of classifiers) models.push(await sessions.model(await load()));
    const score = async function* (
      title: string,
      attacker: Model | null,
    ): AsyncGenerator<EvaluationProgress, readonly Tally[]> {
      const tallies = models.map(() => new Tally(split.count));
      for (const { start, image, label } of inOrder(split, batchSize)) {
        const seen = attacker ? await attackedBy(attacker, image) : image;
        for (const [i, model] of models.entries()) {
          const { logits } = await model.run({ image: seen });
          tallies[i]!.set(start, logits!.data as Float32Array, label.data as Int32Array);
        }
        yield { title, done: start + label.data.length, total: split.count };
      }
      return tallies;
    };
    const clean = yield* score('matrix: clean', null);
    const rows: (readonly Tally[])[] = [];
    for (const [i, { load }] of attackers.entries()) {
      const own = new Sessions(options);
      try {
        rows.push(
          yield* score(`matrix: attacker ${i + 1}/${attackers.length}`, await own.model(await load())),
        );
      } finally {
        await own.close();
      }
    }
    return {
      attackers: attackers.map(({ player }) => player),
      classifiers: classifiers.map(({ player }) => player),
      images: split.count,
      clean: clean.map((tally) => tally.measure()),
      attacked: rows.map((row) => row.map((tally) => tally.measure())),
      transfer: rows.map((row, i) => {
        const home = classifiers.findIndex(({ player }) => player.model === attackers[i]!.target);
        return row.map((tally, j) => kept(clean[home]!, clean[j]!, tally));
      }),
    };
  } finally {
    await sessions.close();
  }
}

/** Of the images that both classifiers had right, which part the attacked one still has. */
function kept(home: Tally, before: Tally, after: Tally): Matrix['transfer'][number][number] {
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

interface Seat {
  readonly player: Player;
  /** SHA-256 of the C1 that an attacker of this cell was trained on. */
  readonly target: string;
  readonly load: () => Promise<Uint8Array>;
}

const letters = { attacker: 'A', c1: 'C1', c2: 'C2' } as const;

function seat({ run, cell }: MatrixCell, role: Player['role']): Seat {
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

const distinct = (seats: readonly Seat[]): readonly Seat[] =>
  seats.filter(({ player }, i) => seats.findIndex((other) => other.player.model === player.model) === i);
