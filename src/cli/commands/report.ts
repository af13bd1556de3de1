import { Command } from '@commander-js/extra-typings';
import { basename, resolve } from 'node:path';
import { InputError, mergeResults } from '../../runtime/index.ts';
import { folder } from '../options.ts';
import { readInputs, writeMarkdown, writeReport } from '../experiment/write-report.ts';

/** `sparring report`: one page, and its figures, of the results of one or more runs. */
export function reportCommand() {
  return new Command('report')
    .description(
      'Write report.html and its figures: accuracy under attack, which class is read as which, and the paper.',
    )
    .argument('[folders...]', 'runs, or folders of runs or of copies of their JSON files', ['runs/latest'])
    .option('--out <dir>', 'where to write (default: the folder, when it is one)', folder)
    .option('--markdown', 'write the tables alone, as README.md: the paper says, we measured, reproduced?')
    .option('--json', 'print the results of shards as that of the one sweep they are of, as JSON on stdout')
    .action(async (folders, { out, markdown, json }) => {
      if (out === undefined && folders.length > 1) {
        throw new InputError('a report of several folders needs a folder of its own; name it by --out');
      }
      const inputs = await readInputs(folders);
      const merged = json ? mergeResults(inputs.results.map(({ result }) => result)) : null;
      const title = folders.map((path) => basename(resolve(path))).join(', ');
      const target = out ?? folders[0]!;
      const written = markdown
        ? await writeMarkdown(target, inputs)
        : await writeReport(target, inputs, title);
      if (merged) console.log(JSON.stringify(merged, null, 2));
      else for (const path of written) console.log(path);
    });
}
