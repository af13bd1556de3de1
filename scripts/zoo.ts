// Opens every model of a folder as a user does, and compares its logits and its gradient.
import { existsSync, readFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { Command, Option } from '@commander-js/extra-typings';
import { count, listOf } from '../src/cli/options.ts';
import { check, isNear, type Row } from './zoo/check.ts';
import { line, page, printedHead, summary } from './zoo/page.ts';
import { stopwatch } from './zoo/timing.ts';

const command = new Command('zoo')
  .description(
    'Opens every .onnx file of a folder with openClassifier, and compares the logits of its gradient graph with those of ' +
      'the file. Where scripts/zoo/export.py wrote images and gradients beside a model.onnx, it compares the gradient of ' +
      'the cross-entropy too. Exits with 1 when a gradient is wrong.',
  )
  .argument('<folder>')
  .option('--only <text>', 'models whose path contains it', '')
  .option('--threads <n>', 'of ONNX Runtime and of PyTorch', count, availableParallelism())
  .option('--keep', 'writes each gradient beside its model, as ours.f32: for scripts/zoo/ties.py')
  .option('--time', 'times a forward pass with the gradient too')
  .addOption(
    new Option('--clock <clock>', 'of --time: processor time holds on a machine that does other work too')
      .choices(['wall', 'processor'] as const)
      .default('wall' as const),
  )
  .option('--python <path>', 'an interpreter that has PyTorch, to be timed beside ours')
  .option('--modules <list>', 'folders of Python modules that the networks were made of', listOf(String), [])
  .option('--json <file>', 'writes the rows as JSON after each; those that it holds already are kept')
  .option('--ties <file>', 'what scripts/zoo/ties.py printed, for the page')
  .option('--page <file>', 'writes the rows as a page: docs/models.md')
  .parse();
const [folder] = command.processedArgs;
const {
  only,
  threads,
  keep = false,
  time = false,
  clock,
  python = null,
  modules,
  json,
  ties,
  page: pagePath,
} = command.opts();

const files = (await readdir(folder, { recursive: true }))
  .filter((file) => file.endsWith('.onnx'))
  .toSorted();
const watch = time ? stopwatch(python, threads, modules, clock) : null;
const rows: Row[] =
  json !== undefined && existsSync(json) ? (JSON.parse(readFileSync(json, 'utf8')) as Row[]) : [];
const known = new Set(rows.map(({ file }) => file));
console.log(printedHead);
for (const file of files.filter((name) => name.includes(only) && !known.has(name))) {
  const row = await check(folder, file, { threads, keep, time: watch && watch.time });
  rows.push(row);
  rows.sort((a, b) => (a.file < b.file ? -1 : 1));
  console.log(line(row));
  if (json !== undefined) await writeFile(json, JSON.stringify(rows, null, 1));
}
await watch?.close();
console.log(`\n${summary(rows).join('\n')}`);
if (pagePath !== undefined) {
  const found = ties === undefined ? [] : readFileSync(ties, 'utf8').split('\n').filter(Boolean);
  const conditions = { threads, clock, processor: cpus()[0]?.model ?? '', ties: found };
  await writeFile(pagePath, await page(rows, conditions));
}
process.exitCode = rows.every((row) => row.gradient === null || isNear(row, 'median')) ? 0 : 1;
