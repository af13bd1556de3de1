import { InvalidArgumentError, Option, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { attackNames, type AttackName, type Norm } from '../../runtime/attacks/index.ts';
import type { FitOptions } from '../../runtime/data/fit.ts';
import { InputError } from '../../runtime/errors.ts';
import { adoption, adoptNames, type AdoptFlags } from '../adopt-options.ts';
import { size, within } from '../audit/options.ts';
import { count, listOf, repeated } from '../options.ts';
import type { ServeModel } from './prepare.ts';

/** What a person says of a classifier that is to be served, as commander gives it. */
export interface ModelFlags {
  readonly attack?: AttackName;
  readonly attacks?: readonly AttackName[];
  readonly eps?: number;
  readonly norm?: Norm;
  readonly maxEps?: number;
  readonly maxSteps?: number;
  readonly maxQueries?: number;
  readonly attacker?: readonly string[];
  readonly resize?: number | true;
}

/** Largest changes that a person hardly sees, in each norm. */
const usualEps: { readonly [N in Norm]: number } = { linf: 8 / 255, l2: 0.5 };

const restarts = 10;

/** Gives a command the options of attacks on a classifier. Their values are {@link ModelFlags}. */
export function withModelOptions<C extends CommandUnknownOpts>(command: C): C {
  const all = [
    new Option('--attack <name>', 'the attack of requests that name none (default: pgd)').choices(
      attackNames,
    ),
    new Option('--attacks <list>', 'the attacks to offer (default: all that suit the model)').argParser(
      listOf(attackName),
    ),
    new Option(
      '--eps <size>',
      'largest change of requests that name none (default: 8/255, or 0.5 for l2)',
    ).argParser(size),
    new Option('--norm <norm>', 'the norm of that change (default: linf)').choices(['linf', 'l2']),
    new Option('--max-eps <size>', 'the largest eps that a request may ask for, in that norm').argParser(
      size,
    ),
    new Option('--max-steps <n>', 'gradient steps that a request may ask for (default: 100)').argParser(
      count,
    ),
    new Option('--max-queries <n>', 'queries that a request may ask for (default: 1000)').argParser(count),
    new Option(
      '--attacker <file>',
      'a trained attacker, for the attack generator or universal (sparring train-attacker writes it); repeat it for the other',
    ).argParser(repeated),
    new Option(
      '--resize [pixels]',
      'take pictures of any size: resize the shorter side to so many pixels and crop the middle (default: as an audit does)',
    ).argParser(pixels),
  ];
  command.optionsGroup('Attacks on a model:');
  for (const option of all) command.addOption(option);
  return command;
}

/** What the flags say. Throws InputError when they do not fit each other. */
export async function serveModel(
  path: string,
  { resize, ...flags }: ModelFlags & Omit<AdoptFlags, 'resize'>,
): Promise<ServeModel> {
  const { norm = 'linf' } = flags;
  return {
    path,
    adopt: await adoption(flags),
    attack: flags.attack ?? null,
    attacks: flags.attacks ?? null,
    norm,
    eps: within(norm, flags.eps ?? Math.min(usualEps[norm], flags.maxEps ?? Infinity), '--eps'),
    mostEps: flags.maxEps ?? null,
    most: { steps: flags.maxSteps ?? 100, queries: flags.maxQueries ?? 1000, restarts },
    attackers: flags.attacker ?? [],
    fit: fitOf(resize),
  };
}

const fitOf = (resize: ModelFlags['resize']): FitOptions | null =>
  resize === undefined ? null : resize === true ? {} : { resize };

/** Pixels of `--resize`, which may stand alone, before the model too. */
function pixels(text: string): number {
  if (/^\d/.test(text)) return count(text);
  throw new InvalidArgumentError(`It must be a positive integer, got ${text}; name the model before it.`);
}

function attackName(text: string): AttackName {
  const found = attackNames.find((name) => name === text);
  if (found) return found;
  throw new InvalidArgumentError(`It must be some of ${attackNames.join(',')}; got ${text}.`);
}

const ofModels = [
  'attack',
  'attacks',
  'eps',
  'norm',
  'maxEps',
  'maxSteps',
  'maxQueries',
  'attacker',
  ...adoptNames,
] as const;

/** Throws InputError when there are flags that a run has no use for, which must not be ignored in silence. */
export function demandNoModelFlags(command: CommandUnknownOpts): void {
  const given = ofModels.find((name) => command.getOptionValueSource(name) === 'cli');
  if (given === undefined) return;
  const flag = command.options.find((option) => option.attributeName() === given)!.long;
  throw new InputError(`${flag} is for a model; name its file: sparring serve model.onnx ${flag}`);
}
