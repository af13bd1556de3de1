import { Command, Option } from '@commander-js/extra-typings';
import { attackNames } from '../../runtime/attacks/index.ts';
import { presetNames } from '../../runtime/audit/plan-audit.ts';
import { expectedData } from '../../runtime/data/formats.ts';
import { InputError } from '../../runtime/index.ts';
import { adoptNames, withAdoptOptions, type AdoptFlags } from '../adopt-options.ts';
import * as parse from '../audit/options.ts';
import { answerProperty } from '../audit/property.ts';
import { runAuditCommand } from '../audit/run.ts';
import { count, folder, listOf, repeated, seed, shard, threads } from '../options.ts';

/** What a property has no use for, which must not be ignored in silence. */
const ofImages = [
  'data',
  'dataLabels',
  'skipBad',
  'images',
  'eps',
  'norm',
  'epsCurve',
  'preset',
  'attacks',
  'attacker',
  'failUnder',
  'baseline',
  'accept',
  'out',
  'json',
  'junit',
  'force',
  'shard',
  'merge',
  'batchSize',
  ...adoptNames,
];

/** `sparring audit`: how easily a classifier is fooled. */
export function auditCommand() {
  const command = new Command('audit')
    .description(
      'Measure how easily an ONNX image classifier is fooled, and judge the number. Exit code 3: a demand is not met.',
    )
    .argument('<model>', 'an ONNX file')
    .option('--data <source>', `labelled images: ${expectedData}`)
    .option('--eps <size>', 'largest change, in the unit of pixels in 0..1, such as 8/255', parse.size)
    .addOption(
      new Option('--norm <norm>', 'how it is measured: largest change of a pixel, or Euclidean length')
        .choices(['linf', 'l2'])
        .default('linf' as const),
    )
    .addOption(
      new Option('--preset <preset>', 'how many attacks, and how strong')
        .choices(presetNames)
        .default('quick' as const),
    )
    .option(
      '--attacks <list>',
      `these attacks instead: some of ${attackNames.join(',')}`,
      listOf(parse.attack),
    )
    .option(
      '--attacker <file>',
      'an attacker that sparring train-attacker or train wrote: attack generator or universal; repeat it for the other',
      repeated,
    )
    .option(
      '--images <n>',
      'how many images to use, of each class its share, chosen by the seed',
      count,
      1000,
    )
    .option('--data-labels <file>', 'the class of each picture of a folder: CSV or JSON; of an npy file: npy')
    .option('--skip-bad', 'leave out pictures that cannot be read')
    .option('--eps-curve <list>', 'eps of the accuracy-against-eps curve, or none', parse.curve)
    .option('--seed <integer>', 'of all random numbers, and of which images are used', seed, 1)
    .addOption(
      new Option(
        '--vnnlib <file>',
        'instead of images, a property in VNN-LIB (.gz too): print sat with a counterexample, or unknown',
      ).conflicts(ofImages),
    )
    .optionsGroup('Demands:')
    .option('--fail-under <accuracy>', 'the least robust accuracy, 0 to 1', parse.part)
    .option('--baseline <file>', 'an earlier audit.json: worse by more than its interval fails')
    .option('--accept <list>', 'checks whose doubts do not fail the audit', listOf(parse.check))
    .optionsGroup('Output:')
    .option('--out <dir>', 'where to write the audit (default: audits/<model>)', folder)
    .option('--json', 'print the audit as JSON on stdout')
    .option('--junit <file>', 'write the demands and checks as JUnit XML, too')
    .option('--force', 'replace an audit of something else, or one that holds more')
    .optionsGroup('Running:')
    .option('--time-limit <time>', 'stop after 90s, 10m or 2h, and say what is not measured', parse.duration)
    .addOption(
      new Option('--shard <i/n>', 'attack one of n parts of the images, to be merged')
        .argParser(shard)
        .conflicts(['failUnder', 'baseline', 'accept', 'json', 'junit']),
    )
    .option('--merge <dirs...>', 'take the finished parts of shards of this audit from these folders')
    .addOption(
      new Option('--device <device>', 'where to run')
        .choices(['auto', 'cpu', 'cuda', 'webgpu'])
        .default('auto' as const),
    )
    .option('--threads <n>', 'threads of the CPU (default: one a core)', threads)
    .option('--batch-size <n>', 'images at a time (default: by their size)', count)
    .action(async (path, flags, self) => {
      if (flags.vnnlib !== undefined) {
        console.log(await answerProperty(path, flags.vnnlib, flags));
        return;
      }
      const { data, eps } = asked(flags);
      const words = ['audit', ...(self.parent?.args.slice(1) ?? [])];
      await runAuditCommand(path, { ...flags, data, eps }, self.opts() as AdoptFlags, words);
    });
  return withAdoptOptions(command);
}

/** What an audit of images cannot do without. */
function asked({ data, eps }: { readonly data?: string; readonly eps?: number }) {
  if (data === undefined) throw new InputError(`--data is missing, labelled images: ${expectedData}`);
  if (eps === undefined) throw new InputError('--eps is missing, the largest change, such as 8/255');
  return { data, eps };
}
