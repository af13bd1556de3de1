import type { Evaluation } from '../../runtime/experiment/evaluation.ts';
import { quoted } from '../kit/shell.ts';
import type { Cell } from './results.ts';

/** The command that trains a cell again, in a checkout of the commit that its environment names. */
export function trainingCommand({ config, mode, eps, bound, clip, seed }: Cell): string {
  const options: readonly (readonly [name: string, value: string | number | null])[] = [
    ['--mode', mode],
    ['--eps', eps],
    ...(config.architecture ? [['--architecture', config.architecture] as const] : []),
    ['--bound', bound],
    [clip ? '--clip' : '--no-clip', null],
    ['--seed', seed],
    ['--batch-size', config.batchSize],
    ...(config.classifierEpochs === 0 ? [] : [['--classifier-epochs', config.classifierEpochs] as const]),
    ['--attacker-epochs', config.attackerEpochs],
    ...(config.defence
      ? ([
          ['--defence', config.defence.method],
          ['--defence-epochs', config.defence.epochs],
        ] as const)
      : []),
    ['--learning-rate', config.learningRate],
    ...(config.trainLimit === null ? [] : [['--train-limit', config.trainLimit] as const]),
    ...(config.testLimit === null ? [] : [['--test-limit', config.testLimit] as const]),
    ...(config.data.source === 'mnist' ? [] : [['--data', quoted(config.data.source)] as const]),
    ...(config.targets === undefined ? [] : [['--targets', config.targets] as const]),
    ...(config.readings === undefined ? [] : [['--reading', config.readings.join()] as const]),
    ...(['against', 'transfer'] as const).flatMap((name) => {
      const given = config[name];
      return given ? [[`--${name}`, quoted(given.source)] as const] : [];
    }),
    ['--device', config.device],
    ['--threads', config.threads],
  ];
  const words = options.flatMap(([name, value]) => (value === null ? [name] : [name, String(value)]));
  return ['npx -y pnpm@10 train', ...words].join(' ');
}

/** The command that an evaluation came from. */
export const evaluationCommand = ({ command }: Evaluation): string =>
  ['npx -y pnpm@10 sparring', ...command.map(quoted)].join(' ');
