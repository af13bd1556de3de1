// Compares a targeted attacker with attacks along the gradient: how often the class that is aimed at is answered.
import { Command } from '@commander-js/extra-typings';
import { loadAttacker } from '../src/api/attacker.ts';
import { openLoaded } from '../src/api/classifier.ts';
import { loadClassifier } from '../src/api/load.ts';
import { node } from '../src/api/node.ts';
import { count, eps as epsOf, listOf } from '../src/cli/options.ts';
import { measureAttack } from '../src/runtime/attacker/measure.ts';
import { attackOf, toEnd, type Configured } from '../src/runtime/attacks/index.ts';
import { limit } from '../src/runtime/data/source.ts';
import { loadDataset } from '../src/runtime/index.ts';

const command = new Command('targeted')
  .description(
    'Aims each image at every other class, nine at most, by a targeted attacker, FGSM and PGD; prints the mean success.',
  )
  .argument('<model>', 'a classifier')
  .argument('<attacker>', 'a targeted attacker of sparring train-attacker')
  .option('--data <source>', 'the images', 'mnist')
  .option('--test <n>', 'the first test images', count, 200)
  .option('--eps <list>', 'largest changes of a pixel', listOf(epsOf), [0.04, 0.08, 0.16, 0.32])
  .option('--steps <n>', 'steps of PGD', count, 40)
  .option('--threads <n>', 'threads of ONNX Runtime', count, 2)
  .parse();
const [model, file] = command.processedArgs;
const { data, test, eps, steps, threads } = command.opts();

const loaded = await loadClassifier(node, model);
const attacker = await loadAttacker(node, file);
const { kind, targeted } = attacker;
if (!targeted) throw new Error(`${file} aims at no class; train it with --targeted`);
const { image, classes } = loaded.classifier;
const dataset = await loadDataset(data, { shape: image, classes });
const source = limit(dataset.test, test);
const opened = await openLoaded(node, loaded, { device: 'cpu', threads }, { [kind]: attacker });
const rows: readonly Configured[] = [
  { attack: kind, settings: {} },
  { attack: 'fgsm', settings: attackOf('fgsm').defaults },
  { attack: 'pgd', settings: { ...attackOf('pgd').defaults, steps } },
];
try {
  for (const size of eps) {
    for (const row of rows) {
      const { success, attacked } = await toEnd(measureAttack(opened, row, true, source, size));
      const title = attackOf(row.attack).title(row.settings as never);
      console.log(JSON.stringify({ eps: size, attack: title, images: test, success, accuracy: attacked }));
    }
  }
} finally {
  await opened.close();
}
