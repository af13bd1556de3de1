import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { Command, Option } from '@commander-js/extra-typings';
import { openLoaded } from '../../api/classifier.ts';
import { loadClassifier, naming } from '../../api/load.ts';
import { node } from '../../api/node.ts';
import { classifierGradientFile } from '../../models/classifier/gradient-file.ts';
import { losses, type LossName } from '../../models/classifier/losses.ts';
import { hasGraph } from '../../models/classifier/read.ts';
import { InputError } from '../../runtime/index.ts';
import { writeAtomic } from '../../runtime/files.ts';
import { adoption, withAdoptOptions, type AdoptFlags } from '../adopt-options.ts';
import { defaultThreads } from '../options.ts';

/** `sparring gradient`: the gradient of a classifier, as an ONNX file for any ONNX Runtime. */
export function gradientCommand() {
  const command = new Command('gradient')
    .description(
      'Write the gradient of a classifier as an ONNX file: image, label -> logits, loss, gradient. Images are float32 in 0..1.',
    )
    .argument('<model>', 'an ONNX image classifier')
    .requiredOption('--out <file>', 'the file to write')
    .addOption(
      new Option('--loss <name>', 'the loss whose gradient it is')
        .choices(Object.keys(losses) as LossName[])
        .default('ce' as const),
    )
    .addOption(
      new Option('--device <device>', 'where it will run').choices(['cpu', 'webgpu']).default('cpu' as const),
    )
    .action(async (model, { out, loss, device }, own) => {
      const options = await adoption(own.opts() as AdoptFlags);
      if (await stat(out).catch(() => null)) {
        throw new InputError(`${out} exists; choose another --out, or remove it first`);
      }
      const loaded = await loadClassifier(node, model, options);
      const { classifier, files } = loaded;
      await naming(model, async () => {
        // compares the graph with the file
        const opened = await openLoaded(node, loaded, { device: 'cpu', threads: defaultThreads });
        await opened.close();
        if (opened.noGradient !== null || !hasGraph(classifier)) {
          throw new Error(`there is no gradient: ${opened.noGradient}`);
        }
        const sha256 = createHash('sha256').update(files.bytes).digest('hex');
        await writeAtomic(out, classifierGradientFile(classifier, { loss, target: device, sha256 }));
        const { channels, height, width } = classifier.image;
        const batch = classifier.batch ?? 'batch';
        for (const { text } of classifier.origin.facts) console.error(`${model}: ${text}`);
        console.log(
          `${out}: image float32 [${batch},${channels},${height},${width}] in 0..1, label int32 [${batch}]` +
            `${loss === 'dlr-targeted' ? `, target int32 [${batch}]` : ''} -> logits [${batch},${classifier.classes}], ` +
            `loss [${batch}], gradient of ${loss}`,
        );
      });
    });
  return withAdoptOptions(command, ['resize', 'interpolation']);
}
