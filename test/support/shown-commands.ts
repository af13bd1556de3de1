/** The commands of `sparring` in a text, with what follows them. */
function commandsIn(
  lines: readonly string[],
): readonly (readonly [command: string, words: readonly string[]])[] {
  return lines
    .flatMap((line) => line.replace(/ #.*/, '').split(/ (?:&&|\||>) /))
    .flatMap((line) => {
      const typed =
        /(?:^|\s)(?:npx (?:-y pnpm@10 (?:sparring )?|sparring )|pnpm (?:exec )?sparring |pnpm |sparring )(.+)/;
      const [, rest] = typed.exec(line) ?? [];
      const [command, ...words] = rest?.trim().split(/\s+/) ?? [];
      return command === undefined ? [] : [[command, words] as const];
    });
}

const blocksIn = (page: string): readonly string[] =>
  [...page.matchAll(/^```sh\n(.*?)^```/gms)]
    .map(([, text]) => text!)
    .join('\n')
    .replaceAll('\\\n', ' ')
    .split('\n');

const spansIn = (page: string): readonly string[] =>
  [...page.matchAll(/`([^`\n]+)`/g)].map(([, text]) => text!);

/** The commands of `sparring` that a page shows, in blocks for a shell and within sentences, with what follows them. */
export const shown = (page: string) => commandsIn([...blocksIn(page), ...spansIn(page)]);

/** Those in blocks for a shell alone, in the order of the page. */
export const shownInBlocks = (page: string) => commandsIn(blocksIn(page));
