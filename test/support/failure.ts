import { expect } from 'vitest';
import { InputError } from '../../src/runtime/errors.ts';

/** The message of the InputError with which a promise fails: one line. */
export async function inputFailure(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(InputError);
  const { message } = error as InputError;
  expect(message).not.toContain('\n');
  return message;
}
