import { Command } from '@commander-js/extra-typings';
import { count } from '../src/cli/options.ts';
import { loadDigits } from '../src/runtime/index.ts';
import { chromiumPath, openPage } from '../test/support/browser.ts';
import { inNode, inPage, subjects, trainingBuild, type Name } from '../test/support/ort-training.ts';

const { steps, batch, models } = new Command('ort-training')
  .description(
    "Loss of each step under onnxruntime's TrainingSession (in Chromium) beside our engine (in Node).",
  )
  .option('--steps <n>', 'steps', count, 30)
  .option('--batch <n>', 'images a step', count, 4)
  .option('--models <names...>', 'of classifier, attacker', ['classifier', 'attacker'])
  .parse()
  .opts();

if (!chromiumPath) throw new Error('no Chromium here; install it or set SPARRING_CHROMIUM');
const { train } = await loadDigits('mnist');
const all = await subjects(train, batch);
const files = trainingBuild();
const { page, close } = await openPage(files, { folder: 'ort-training', ready: 'ortTraining' });

for (const name of models as Name[]) {
  const sides = {
    'our engine': await inNode(all[name], train, steps),
    'sums in another order': await inNode(all[name], train, steps, 'plain'),
    'TrainingSession, exported model': await inPage(page, files, all[name], train, {
      steps,
      backward: 'exported',
    }),
    'TrainingSession, own gradient kernels': await inPage(page, files, all[name], train, {
      steps,
      backward: 'kernels',
    }),
  };
  const names = Object.keys(sides);
  const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
  const rows = Array.from({ length: steps }, (_, i) =>
    row([i + 1, ...Object.values(sides).map(({ losses }) => losses[i]!.toFixed(6))]),
  );
  const head = [row(['step', ...names]), row(['---:', ...names.map(() => '---:')])];
  console.log([`${name}, batches of ${batch}:`, '', ...head, ...rows, ''].join('\n'));
}
await close();
