/**
 * An option or an input file that is wrong, and that its author can put right: one line that names the thing, the
 * value and the way out. The command line prints the line alone and exits with status 2.
 */
export class InputError extends Error {
  override readonly name = 'InputError';
}
