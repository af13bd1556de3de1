import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { readDocument } from '../../runtime/document.ts';
import { InputError } from '../../runtime/errors.ts';
import { Evaluation } from '../../runtime/experiment/evaluation.ts';
import { Result } from '../../runtime/experiment/result.ts';
import type { NamedEvaluation } from './attacks.ts';
import { cellsIn, threatOf, type Cell } from './results.ts';
import { threatName } from './results.ts';

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
}

/**
 * Reads the text of a `result.json` or an `evaluation.json`, whatever the file is called.
 *
 * @param source the path of the file.
 * @throws InputError in one line when it is neither.
 */
export function parseInput(text: string, source: string): Inputs {
  const { cells, runs } = readDocument(source, text, Either);
  if (cells !== undefined) {
    const evaluation = readDocument(source, text, Evaluation);
    return { results: [], cells: [], evaluations: [{ evaluation, source }] };
  }
  if (runs === undefined) throw new InputError(`${source}: is neither a result nor an evaluation of a run`);
  const result = readDocument(source, text, Result);
  return { results: [{ result, source }], cells: cellsIn(result, source), evaluations: [] };
}

/** What tells an evaluation from a result. */
const Either = z.object({ cells: z.unknown().optional(), runs: z.unknown().optional() });

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
  };
}

/** What makes a cell the same as another, apart from how long it was trained. */
const cellKey = (cell: Cell): string =>
  `${cell.mode} eps ${cell.eps} seed ${cell.seed}, ${threatName(threatOf(cell))}`;
