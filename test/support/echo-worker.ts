/** A worker for the supervisor's tests: does what its tasks say. */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { answerTasks } from '../../src/server/supervised.ts';

export interface EchoTask {
  /** What comes back, with the id of the process. */
  readonly say: string;
  readonly wait?: number;
  /** The process ends at once. */
  readonly die?: boolean;
  /** The process says that it cannot, as long as this file exists. */
  readonly failWhile?: string;
}

answerTasks(async ({ say, wait, die, failWhile }: EchoTask) => {
  if (die) process.exit(7);
  if (wait) await sleep(wait);
  if (failWhile && existsSync(failWhile)) throw new Error(`${failWhile} is there`);
  return `${say} ${process.pid}`;
});
