import { basename, extname, join } from 'node:path';
import { Command, Option } from '@commander-js/extra-typings';
import { openLoaded } from '../../api/classifier.ts';
import { loadClassifier } from '../../api/load.ts';
import { node } from '../../api/node.ts';
import { selfTestModel } from '../../models/selftest.ts';
import { nothingDemanded, demandComparable, type Demanded } from '../../runtime/audit/demands.ts';
import { conductAudit } from '../../runtime/audit/conduct.ts';
import type { Audit } from '../../runtime/audit/document.ts';
import { openParts, partsPath } from '../../runtime/audit/parts-folder.ts';
import { planAudit, presetNames } from '../../runtime/audit/plan-audit.ts';
import { blockSizeFor } from '../../runtime/audit/plan.ts';
import { expectedData } from '../../runtime/data/formats.ts';
import { chooseDevice, InputError, lockRun } from '../../runtime/index.ts';
import { adoption, withAdoptOptions, type AdoptFlags } from '../adopt-options.ts';
import { keepFuller, readAudit } from '../audit/before.ts';
import * as parse from '../audit/options.ts';
import { mergedParts, partsText } from '../audit/parts.ts';
import { classifierAbout, dataAbout, openSubjects, preparedOtherwise, withLabels } from '../audit/subject.ts';
import { auditText } from '../audit/table.ts';
import { followAudit } from '../audit/follow.ts';
import { answerProperty } from '../audit/property.ts';
import { probeWriting, writeAudit, writeForCi } from '../audit/write.ts';
import { commandLine } from '../command-line.ts';
import { count, defaultThreads, folder, listOf, seed, shard, threads } from '../options.ts';
import { createProgress } from '../progress.ts';
import { exitCodeOf, quitHint, stopController } from '../signals.ts';
import { columnsOf } from '../table.ts';
import { environment } from '../version.ts';

/** The exit code of an audit that ran and does not meet what was demanded. */
const notMet = 3;

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
      `these attacks instead: some of ${parse.auditAttacks.join(',')}`,
      listOf(parse.attack),
    )
    .option('--images <n>', 'use the first n images, of each class in turn in a folder', count, 1000)
    .option('--data-labels <file>', 'the class of each picture of a folder: CSV or JSON; of an npy file: npy')
    .option('--skip-bad', 'leave out pictures that cannot be read')
    .option('--eps-curve <list>', 'eps of the accuracy-against-eps curve, or none', parse.curve)
    .option('--seed <integer>', 'of all random numbers', seed, 1)
    .addOption(
      new Option(
        '--vnnlib <file>',
        'instead of images, a property in VNN-LIB (.gz too): print sat with a counterexample, or unknown',
      ).conflicts(['data', 'eps', 'failUnder', 'baseline', 'shard', 'merge', 'junit', 'out']),
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
    .option('--shard <i/n>', 'attack one of n parts of the images, to be merged', shard)
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
      const { data: place, eps } = asked(flags);
      const words = ['audit', ...(self.parent?.args.slice(1) ?? [])];
      const threat = { norm: flags.norm, eps: parse.within(flags.norm, eps) };
      const demanded = await demandedBy(flags);
      const options = await adoption(self.opts() as AdoptFlags);
      const loaded = await loadClassifier(node, path, options);
      const source = await openSubjects(loaded, { ...flags, data: place });
      if (demanded.baseline) demandComparable(demanded.baseline, { threat, data: source });
      const out = flags.out ?? join('audits', basename(path, extname(path)));
      await probeWriting(out);
      const { device } = await chooseDevice(flags.device, selfTestModel());
      const run = { device, threads: flags.threads ?? defaultThreads };
      const lock = await lockRun(out);
      const progress = createProgress(process.stderr);
      const stop = stopController((signal) =>
        progress.log(`${signal}: keeping what is finished; ${quitHint}`),
      );
      const batchSize = flags.batchSize ?? blockSizeFor(loaded.classifier.image);
      const opened = await openLoaded(node, loaded, { ...run, batchSize });
      try {
        const images = await withLabels(source, opened);
        const classifier = classifierAbout(path, loaded, opened);
        const data = dataAbout(place, images);
        const { plan, notMeasured } = planAudit(opened, {
          ...threat,
          attacks: flags.attacks ?? flags.preset,
          curve: flags.epsCurve ?? null,
          seed: flags.seed,
          batchSize,
        });
        if (!flags.force) {
          const attacks = plan.attacks.map(({ name }) => name);
          await keepFuller(out, { classifier, data, threat, images: images.count, attacks });
        }
        const { seconds: _, ...found } = await environment(run, 0);
        const settings = { plan, classifier, data, images: images.count, environment: found };
        const own = partsPath(out, settings);
        const parts = await openParts(own, await mergedParts(flags.merge ?? [], own));
        if (parts.found > 0)
          progress.log(`resuming with ${partsText(parts.found)} that were finished before`);
        const limit = flags.timeLimit === undefined ? [] : [AbortSignal.timeout(1000 * flags.timeLimit)];
        const { figures, measured } = await followAudit(
          conductAudit(opened, images, plan, {
            parts,
            signal: AbortSignal.any([stop.signal, ...limit]),
            shard: flags.shard ?? null,
            demanded,
            notMeasured,
            prepareOtherwise: () => preparedOtherwise(loaded, images, run),
          }),
          progress,
        );
        progress.done();
        const received = stop.received();
        if (received) {
          const saved = parts.failure() ?? `saved the finished parts in ${parts.path}`;
          process.stderr.write(`${saved}; resume with: ${commandLine(...words)}\n`);
          process.exitCode = exitCodeOf(received);
          return;
        }
        if (flags.shard) {
          console.log(parts.path);
          return;
        }
        const audit: Audit = {
          schema: 2,
          classifier,
          data,
          preset: flags.attacks ? null : flags.preset,
          ...figures,
          environment: found,
          command: words,
        };
        // printed first: what was measured must not be lost with a disk
        console.log(
          flags.json ? JSON.stringify(audit, null, 2) : auditText(audit, columnsOf(process.stdout)),
        );
        const written = await writeAudit(out, audit, measured, images);
        if (audit.complete) await parts.remove();
        const more = await writeForCi(audit, flags.junit);
        if (!flags.json) for (const file of [...written, ...more]) console.log(file);
        if (audit.verdict === 'failed') process.exitCode = notMet;
      } finally {
        stop.dispose();
        progress.done();
        await opened.close();
        await lock.release();
      }
    });
  return withAdoptOptions(command);
}

/** What an audit of images cannot do without. */
function asked({ data, eps }: { readonly data?: string; readonly eps?: number }) {
  if (data === undefined) throw new InputError(`--data is missing, labelled images: ${expectedData}`);
  if (eps === undefined) throw new InputError('--eps is missing, the largest change, such as 8/255');
  return { data, eps };
}

async function demandedBy(flags: {
  readonly failUnder?: number;
  readonly baseline?: string;
  readonly accept?: readonly string[];
}): Promise<Demanded> {
  const { failUnder = null, baseline, accept: accepted = [] } = flags;
  return {
    ...nothingDemanded,
    failUnder,
    baseline: baseline === undefined ? null : { source: baseline, audit: await readAudit(baseline) },
    accepted,
  };
}
