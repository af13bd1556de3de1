import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { readDocument } from '../../runtime/document.ts';
import { InputError } from '../../runtime/errors.ts';
import { Evaluation } from '../../runtime/experiment/evaluation.ts';
import { Result } from '../../runtime/experiment/result.ts';
import { Withstand } from '../../runtime/experiment/withstand.ts';
import type { NamedEvaluation } from './attacks.ts';
import { cellsIn, threatOf, trainingName, type Cell } from './results.ts';
import { threatName } from './results.ts';
import type { NamedWithstand } from './withstand.ts';

/** A `result.json`, and what it was read from. */
export interface NamedResult {
  readonly result: Result;
  readonly source: string;
}

/** What a report is made of. */
export interface Inputs {
  readonly results: readonly NamedResult[];
  /** The cells of all results. */
  readonly cells: readonly Cell[];
  readonly evaluations: readonly NamedEvaluation[];
  readonly withstands: readonly NamedWithstand[];
}

const nothing: Inputs = { results: [], cells: [], evaluations: [], withstands: [] };

/**
 * Reads the text of a `result.json`, an `evaluation.json` or a `withstand.json`, whatever the file is called.
 *
 * @param source the path of the file.
 * @throws InputError in one line when it is none of them.
 */
export function parseInput(text: string, source: string): Inputs {
  const { cells, runs, withstands } = readDocument(source, text, Either);
  if (withstands !== undefined) {
    return { ...nothing, withstands: [{ withstand: readDocument(source, text, Withstand), source }] };
  }
  if (cells !== undefined) {
    const evaluation = readDocument(source, text, Evaluation);
    return { ...nothing, evaluations: [{ evaluation, source }] };
  }
  if (runs === undefined) throw new InputError(`${source}: is neither a result nor an evaluation of a run`);
  const result = readDocument(source, text, Result);
  return { ...nothing, results: [{ result, source }], cells: cellsIn(result, source) };
}

/** What tells the kinds of files apart. */
const Either = z.object({
  cells: z.unknown().optional(),
  runs: z.unknown().optional(),
  withstands: z.unknown().optional(),
});

/** Puts what several files hold together. Throws InputError when two hold the same cell with other numbers. */
export function joinInputs(inputs: readonly Inputs[]): Inputs {
  const seen = new Map<string, Cell>();
  for (const cell of inputs.flatMap((each) => each.cells)) {
    const other = seen.get(cellKey(cell));
    // A report could not say which one it shows.
    if (other && !isDeepStrictEqual([other.models, other.epochs], [cell.models, cell.epochs])) {
      throw new InputError(
        `${cellKey(cell)} is in ${other.source} and in ${cell.source}; leave one of them out`,
      );
    }
    if (!other) seen.set(cellKey(cell), cell);
  }
  return {
    results: inputs.flatMap((each) => each.results),
    cells: [...seen.values()],
    evaluations: inputs.flatMap((each) => each.evaluations),
    withstands: inputs.flatMap((each) => each.withstands),
  };
}

/** What makes a cell the same as another, apart from how long it was trained. */
const cellKey = (cell: Cell): string =>
  `${trainingName(cell)} eps ${cell.eps} seed ${cell.seed}, ${threatName(threatOf(cell))}`;
