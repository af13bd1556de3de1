import type { FromProcess, ToProcess } from './supervisor.ts';

/** A task that was given up because its time is over. */
export class OutOfTime extends Error {
  override readonly name = 'OutOfTime';
}

/**
 * In a process that a supervisor started: does tasks one after the other, answers heartbeats between them, and ends with
 * the supervisor.
 */
export function answerTasks<Task, Result>(work: (task: Task) => Promise<Result>): void {
  const send = (message: FromProcess<Result>): void => {
    if (process.connected) process.send!(message);
  };
  const answer = async (id: number, task: Task): Promise<void> => {
    try {
      send({ id, result: await work(task) });
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      send({ id, error: text, late: error instanceof OutOfTime });
    }
  };
  let last: Promise<void> = Promise.resolve();
  process.on('message', (message: ToProcess<Task>) => {
    if ('beat' in message) send({ beat: true });
    else last = last.then(() => answer(message.id, message.task));
  });
  process.on('disconnect', () => process.exit());
}
