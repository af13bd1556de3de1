/**
 * A command of this program as a person can type it: in a checkout through the package runner, elsewhere as the installed
 * program.
 *
 * @param words the command and its arguments, which are quoted for a POSIX shell.
 */
export function commandLine(...words: readonly string[]): string {
  const isCheckout = import.meta.url.endsWith('.ts');
  const [command, ...rest] = words.map(quoted);
  // `pnpm audit` is a command of pnpm itself
  const runner = command === 'audit' ? 'npx -y pnpm@10 sparring' : 'npx -y pnpm@10';
  return [isCheckout ? runner : 'npx sparring', command, ...rest].join(' ');
}

/** A word as a POSIX shell takes it. */
export const quoted = (word: string): string =>
  /^[\w.,:=/@+-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
