import { Command } from '@commander-js/extra-typings';
import { InputError } from '../../runtime/index.ts';
import { expectedData } from '../../runtime/data/formats.ts';
import { adoption, withAdoptOptions, type AdoptFlags } from '../adopt-options.ts';
import { inspect } from '../inspection.ts';
import { inspectionText } from '../inspection-text.ts';
import { defaultThreads } from '../options.ts';

/** `sparring inspect`: what was understood of a model, and all that is missing. */
export function inspectCommand() {
  const command = new Command('inspect')
    .description(
      'Say what was understood of an ONNX image classifier: inputs, preprocessing, operators, whether it has a gradient.',
    )
    .argument('<model>', 'an ONNX file')
    .option('--data <source>', `try the usual preprocessing on its test images: ${expectedData}`)
    .option('--json', 'print what was found as JSON')
    .action(async (model, { data, json }, own) => {
      const options = await adoption(own.opts() as AdoptFlags);
      const found = await inspect(model, options, data ?? null, { device: 'cpu', threads: defaultThreads });
      console.log(json ? JSON.stringify(found, null, 2) : inspectionText(found));
      if (found.problem !== null) throw new InputError(`${model}: ${found.problem}`);
    });
  return withAdoptOptions(command);
}
