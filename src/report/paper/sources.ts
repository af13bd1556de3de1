/** What tells files of runs apart in a page, such as evaluations: a file's name without the ending, or that of its folder. */
export function sourceNames(all: readonly { readonly source: string }[]): readonly string[] {
  const names = all.map(({ source }) => {
    const [folder = '', file = ''] = source.split(/[\\/]/).slice(-2);
    return file.replace(/(-?(evaluation|withstand))?\.json$/, '') || folder;
  });
  return names.map((name, i) =>
    names.indexOf(name) === names.lastIndexOf(name) ? name : `${name} ${i + 1}`,
  );
}
