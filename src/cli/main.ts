import { Command, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { InputError } from '../runtime/index.ts';
import { auditCommand } from './commands/audit.ts';
import { demoCommand } from './commands/demo.ts';
import { devicesCommand } from './commands/devices.ts';
import { evaluateCommand } from './commands/evaluate.ts';
import { gradientCommand } from './commands/gradient.ts';
import { hardenCommand } from './commands/harden.ts';
import { inspectCommand } from './commands/inspect.ts';
import { reportCommand } from './commands/report.ts';
import { serveCommand } from './commands/serve.ts';
import { exportCommand } from './commands/export.ts';
import { describeUsage } from './help.ts';
import { repeated } from './options.ts';
import { trainCommand } from './commands/train.ts';
import { trainAttackerCommand } from './commands/train-attacker.ts';
import { version } from './version.ts';

/** The `sparring` command. Exit codes: 0 done, 1 failed while running, 2 wrong option or input,
 * 3 a demand that is not met, 128+n on a signal. */
export function program(): Command {
  const command = new Command('sparring')
    .description('Trains attackers against image classifiers, in TypeScript and ONNX Runtime.')
    .version(version)
    .addHelpText('after', '\nsparring <command> --help shows the options of a command, with examples.')
    .addCommand(inspectCommand())
    .addCommand(gradientCommand())
    .addCommand(auditCommand())
    .addCommand(hardenCommand())
    .addCommand(trainCommand())
    .addCommand(trainAttackerCommand())
    .addCommand(evaluateCommand())
    .addCommand(serveCommand())
    .addCommand(demoCommand())
    .addCommand(reportCommand())
    .addCommand(devicesCommand())
    .addCommand(exportCommand());
  for (const each of [command, ...command.commands]) {
    describeUsage(each);
    each
      .exitOverride()
      .showHelpAfterError(false)
      .configureOutput({
        outputError: (text, write) => write(`sparring: ${oneLine(text)}${wayOut(each, text)}\n`),
      });
  }
  return command;
}

/** Runs a command line (without node and script) and gives its exit code; errors go to stderr as one line. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    await program().parseAsync([...argv], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (isCommanderError(error)) return error.exitCode === 0 ? 0 : 2;
    process.stderr.write(`sparring: ${firstLine(error)}\n`);
    return error instanceof InputError ? 2 : 1;
  }
}

const isCommanderError = (error: unknown): error is { readonly exitCode: number } =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('commander.');

/** Commander's message without its prefix; its "Did you mean" comes on a line of its own. */
const oneLine = (text: string): string =>
  text
    .replace(/^error: /, '')
    .trimEnd()
    .replaceAll('\n', ' ');

/** Which option may have been meant to take words, or took words that it was not meant to, of a wrong number of words. */
function wayOut(command: CommandUnknownOpts, text: string): string {
  const given = command.options.filter(
    (option) => command.getOptionValueSource(option.attributeName()) === 'cli',
  );
  if (text.includes('too many arguments')) {
    const one = given.find(({ parseArg }) => parseArg === repeated);
    return one ? ` ${one.long} takes one value; repeat it for more.` : '';
  }
  if (text.includes('missing required argument')) {
    const all = given.find(({ variadic }) => variadic);
    const taken = all && (command.getOptionValue(all.attributeName()) as readonly string[]).join(' ');
    return all ? ` (${all.long} takes all words after it: ${taken})` : '';
  }
  return '';
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]!;
